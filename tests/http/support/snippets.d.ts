/** Where the bus is. */
export interface Where {
  readonly url: string;
  readonly receiveAddress: string | undefined;
  readonly hasToken: boolean;
}
export declare const SNIPPETS: Readonly<
  Record<string, (text: string, where: Where) => string | undefined>
>;
export declare function terminalCommand(text: string, where: Where): string | undefined;
