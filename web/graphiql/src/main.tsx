import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import { createGraphiQLFetcher, type Fetcher, type FetcherOpts } from '@graphiql/toolkit'
import { GraphiQL } from 'graphiql'
import { createClient } from 'graphql-ws'
import { createRoot } from 'react-dom/client'
import { useMemo } from 'react'

const ENDPOINT = '/graphql'
const WELCOME = `# Say who you are in the tab Headers below: {"Authorization": "Bearer …"}, with an API key or a member's token.
# At the demo you may leave it out: you are one of the members shown on the page at /.

query Screen {
  me {
    externalId
    wallets { name balance nextExpiry { points at } }
    streaks { name current longest active }
    challenges { name fraction completed }
  }
}
`

const socket = new URL(ENDPOINT, location.href)
socket.protocol = socket.protocol.replace(/^http/, 'ws')

interface Guest {
  members: { token: string }[]
}

let guest: Promise<Record<string, string>> | undefined

/** The credential of a visitor of the demo; nothing where the service is no demo. */
async function demo(): Promise<Record<string, string>> {
  const answer = await fetch('/demo/session', { cache: 'no-store' })
  if (!answer.ok) return {}
  const [first] = ((await answer.json()) as Guest).members
  return first ? { Authorization: `Bearer ${first.token}` } : {}
}

const GUEST_MS = 180_000

async function credentials(given: FetcherOpts['headers']): Promise<Record<string, string>> {
  const headers = { ...(given as Record<string, string> | undefined) }
  if (Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')) return headers
  if (!guest) {
    guest = demo().catch(() => ({}))
    setTimeout(() => (guest = undefined), GUEST_MS)
  }
  return { ...(await guest), ...headers }
}

const fetcher: Fetcher = async (request, options) => {
  const headers = await credentials(options?.headers)
  const client = createClient({ url: socket.href, connectionParams: headers, retryAttempts: 0 })
  return createGraphiQLFetcher({ url: ENDPOINT, headers, wsClient: client })(request, { ...options, headers })
}

function App() {
  const send = useMemo(() => fetcher, [])
  return <GraphiQL fetcher={send} defaultQuery={WELCOME} shouldPersistHeaders={false} defaultEditorToolsVisibility="headers" />
}

const root = document.getElementById('graphiql')
if (root) createRoot(root).render(<App />)
