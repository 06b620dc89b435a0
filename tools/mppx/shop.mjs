// A server of mppx: GET /tempo costs a dollar on a chain, GET /ledger is paid by one buyer's signature, and
// GET /entries tells what was paid. It says where it listens, and ends when standard input does.
//   node shop.mjs SEED PAYEE
import { createServer } from 'node:http'
import { Mppx, NodeListener, Request, tempo } from 'mppx/server'
import { till } from './ledger.mjs'

const [seed, payee] = process.argv.slice(2)
const entries = []
const chain = tempo.charge({
  currency: '0x20c0000000000000000000000000000000000000',
  recipient: '0x742d35Cc6634C0532925a3b844Bc9e7595f8fE00',
})
const mppx = Mppx.create({
  methods: [chain, till(seed, entries)],
  secretKey: 'the secret of a test, longer than 32 bytes',
  realm: '127.0.0.1',
})
const routes = {
  '/tempo': mppx['tempo/charge']({ amount: '1', description: 'A dollar\u2019s worth' }),
  '/ledger': mppx['ledger/charge']({ amount: '2000', currency: 'usd6', recipient: payee }),
}

async function answer(request) {
  const { pathname } = new URL(request.url)
  if (pathname === '/entries') return Response.json(entries)
  const route = routes[pathname]
  if (route === undefined) return new Response(null, { status: 404 })
  const paid = await route(request)
  return paid.status === 402 ? paid.challenge : paid.withReceipt(new Response('bought'))
}

const server = createServer(async (req, res) => {
  await NodeListener.sendResponse(res, await answer(Request.fromNodeListener(req, res)))
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
process.stdin.resume().on('end', () => process.exit(0))
