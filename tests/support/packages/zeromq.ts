/** libzmq under Node's binding: the oracle. */
export * from "npm:zeromq@6.8.0";
