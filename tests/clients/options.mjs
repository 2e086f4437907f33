// What every client script is given:  node CLIENT.mjs URL '{"token": …, "query": …, "subscription": …, "items": 3}'
// Each prints {"query": data, "items": [data, …], "code": code of the error of {absent}}.
const [url, json] = process.argv.slice(2);

export const httpUrl = url;
export const socketUrl = url.replace(/^http/, 'ws');
export const { token, query, subscription, items } = JSON.parse(json);
export const authorization = token ? { Authorization: `Bearer ${token}` } : {};
export const absent = '{ absent }';

export function report(result) {
  console.log(JSON.stringify(result));
  process.exit(0);
}

// Ends a run that waits for something that never comes.
setTimeout(() => {
  console.error('nothing happened for 20 seconds');
  process.exit(1);
}, 20_000).unref();
