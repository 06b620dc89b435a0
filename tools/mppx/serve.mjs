// A server of priced routes: says where it listens, and ends when standard input does. A priced route is what is
// asked for its price, or that with what it answers. `plain` are the routes without a price, each a function that
// answers.
import { createServer } from 'node:http'
import { NodeListener, Request } from 'mppx/server'

export function serve(priced, plain = {}) {
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
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
  process.stdin.resume().on('end', () => process.exit(0))
}
