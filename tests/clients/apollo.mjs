// Apollo Client: queries by HTTP; subscriptions by socket, and by multipart over HTTP.
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import { OperationTypeNode } from 'graphql';
import WebSocket from 'ws';
import { absent, authorization, httpUrl, items, query, report, socketUrl, subscription } from './options.mjs';

const socket = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: authorization, retryAttempts: 0 });
const http = new HttpLink({ uri: httpUrl, headers: authorization });
const bySocket = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    http,
  ),
});
const byMultipart = new ApolloClient({ cache: new InMemoryCache(), link: http });

const take = (client) =>
  new Promise((resolve, reject) => {
    const received = [];
    const running = client.subscribe({ query: gql(subscription) }).subscribe({
      next: ({ data, error }) => {
        if (error) reject(error);
        received.push(data);
        if (received.length === items) {
          // More may come in the same chunk, before the client hears that this was enough.
          resolve([...received]);
          queueMicrotask(() => running.unsubscribe());
        }
      },
      error: reject,
    });
  });

const { data } = await bySocket.query({ query: gql(query) });
const received = await take(bySocket);
const multipart = await take(byMultipart);
const error = await bySocket.query({ query: gql(absent) }).catch((refused) => refused);
const code = CombinedGraphQLErrors.is(error) ? error.errors[0].extensions.code : String(error);
await socket.dispose();
report({ query: data, items: received, multipart, code });
