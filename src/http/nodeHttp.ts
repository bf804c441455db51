import type * as http from 'node:http';
import type * as https from 'node:https';

/** node:http, loaded when called. An `import` would load its WebSocket too, and with that all of fetch: 30 ms of CPU. */
export function nodeHttp(): typeof http {
  return process.getBuiltinModule('node:http');
}

/** node:https, likewise. */
export function nodeHttps(): typeof https {
  return process.getBuiltinModule('node:https');
}
