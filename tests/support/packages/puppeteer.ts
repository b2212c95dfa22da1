/** Firefox. */
export * from "npm:puppeteer-core@25.16.0";
export { default } from "npm:puppeteer-core@25.16.0";
