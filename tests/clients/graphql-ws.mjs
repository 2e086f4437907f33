// The reference client of graphql-transport-ws.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { absent, authorization, items, query, report, socketUrl, subscription } from './options.mjs';

const client = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: authorization, retryAttempts: 0 });

const first = await client.iterate({ query }).next();
const received = [];
for await (const result of client.iterate({ query: subscription })) {
  received.push(result.data);
  if (received.length === items) break;
}
const refused = await client.iterate({ query: absent }).next().catch((errors) => ({ errors }));
const errors = refused.errors ?? refused.value.errors;
// The socket has borne a refused document; it must still serve.
const again = await client.iterate({ query }).next();
await client.dispose();
report({ query: first.value.data, items: received, code: errors[0].extensions.code, again: again.value.data });
