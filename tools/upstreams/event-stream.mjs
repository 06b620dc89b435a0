// A stream of server-sent events. `GET /events` stays open; each `POST /events` sends its body as one
// event to whoever listens and answers with how many those are. `GET /events?count=3` sends three
// numbered events and ends. A test can so decide when what is sent, without a clock.
import { createServer } from 'node:http'
import { createChannel, createSession } from 'better-sse'
import { serve } from './until-closed.mjs'

const open = createChannel()

async function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost')
  if (pathname !== '/events') {
    response.writeHead(404).end()
  } else if (request.method === 'POST') {
    const parts = []
    for await (const part of request) parts.push(part)
    open.broadcast(Buffer.concat(parts).toString(), 'message')
    response.end(`${open.sessionCount}\n`)
  } else {
    const session = await createSession(request, response)
    const count = Number(searchParams.get('count') ?? 0)
    for (let number = 1; number <= count; number += 1) session.push(number, 'message', `${number}`)
    if (count > 0) response.end()
    else open.register(session)
  }
}

serve(createServer(answer))
