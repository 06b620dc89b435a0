// A server of priced routes: says where it listens, and ends when standard input does. A priced route is what is
// asked for its price, or that with what it answers. `plain` are the routes without a price, each a function that
// answers, and `talks` are the paths of WebSockets, each a function that is given one.
import { createServer } from 'node:http'
import { NodeListener, Request } from 'mppx/server'
import { WebSocketServer } from 'ws'

export function serve(priced, plain = {}, talks = {}) {
  async function answer(request) {
    const { pathname } = new URL(request.url)
    if (plain[pathname] !== undefined) return plain[pathname]()
    const route = priced[pathname]
    if (route === undefined) return new Response(null, { status: 404 })
    const { pay = route, body = () => new Response('bought') } = route
    const paid = await pay(request)
    return paid.status === 402 ? paid.challenge : paid.withReceipt(body())
  }
  const server = createServer(async (req, res) => {
    await NodeListener.sendResponse(res, await answer(Request.fromNodeListener(req, res)))
  })
  // Whoever asks for a WebSocket is opened one.
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, connection, head) => {
    const url = new URL(request.url, `http://${request.headers.host}`)
    const open = talks[url.pathname]
    if (open === undefined) return connection.destroy()
    sockets.handleUpgrade(request, connection, head, (socket) => open(socket, url))
  })
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
  process.stdin.resume().on('end', () => process.exit(0))
}
