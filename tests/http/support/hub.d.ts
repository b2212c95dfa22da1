/** Serves one page, which speaks over a port. */
export declare function serve(port: MessagePort): void;
