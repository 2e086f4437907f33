// urql: queries by HTTP; subscriptions by socket, and by server-sent events over HTTP.
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { absent, authorization, httpUrl, items, query, report, socketUrl, subscription } from './options.mjs';

const socket = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: authorization, retryAttempts: 0 });
const settings = { url: httpUrl, preferGetMethod: false, fetchOptions: { headers: authorization } };
const forwarded = subscriptionExchange({
  forwardSubscription: (request) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
  }),
});
const bySocket = new Client({ ...settings, exchanges: [fetchExchange, forwarded] });
const byEvents = new Client({ ...settings, fetchSubscriptions: true, exchanges: [fetchExchange] });

const take = (client) =>
  new Promise((resolve, reject) => {
    const received = [];
    const running = client.subscription(subscription, {}).subscribe(({ data, error }) => {
      if (error) reject(error);
      received.push(data);
      if (received.length === items) {
        // More may come in the same chunk, before the client hears that this was enough.
        resolve([...received]);
        queueMicrotask(() => running.unsubscribe());
      }
    });
  });

const { data } = await bySocket.query(query, {});
const received = await take(bySocket);
const events = await take(byEvents);
const { error } = await bySocket.query(absent, {});
await socket.dispose();
report({ query: data, items: received, events, code: error.graphQLErrors[0]?.extensions.code ?? String(error) });
