// A server of mppx on the test network that is paid out of channels: GET /page costs $0.002, GET /words streams
// six words of $0.0001 each, as the WebSocket /talk does, and the fees of what opens a channel at /sponsored are the sponsor's.
//   node --import=./divert.mjs session-shop.mjs PAYEE-KEY SPONSOR-KEY
import { Mppx, Store, tempo } from 'mppx/server'
import { privateKeyToAccount } from 'viem/accounts'
import { serve } from './serve.mjs'

const [payee, sponsor] = process.argv.slice(2)
const account = privateKeyToAccount(payee)
const session = tempo.session({
  account,
  recipient: account.address,
  chainId: 42431,
  currency: '0x20c0000000000000000000000000000000000000',
  store: Store.memory(),
  suggestedDeposit: '0.01',
  sse: true,
  feePayer: privateKeyToAccount(sponsor),
})
const mppx = Mppx.create({
  methods: [session],
  secretKey: 'the secret of a test, longer than 32 bytes',
  realm: '127.0.0.1',
})
const paid = mppx['tempo/session']

async function* words() {
  for (const word of ['one', 'two', 'three', 'four', 'five', 'six']) yield word
}

const talk = paid({ amount: '0.0001', unitType: 'word', feePayer: false })
const open = (socket, url) =>
  mppx.session.serveWebSocket({ socket, url, route: talk, generate: words() })

const priced = {
  '/page': paid({ amount: '0.002', unitType: 'request', feePayer: false }),
  '/words': { pay: paid({ amount: '0.0001', unitType: 'word', feePayer: false }), body: words },
  '/sponsored': paid({ amount: '0.002', unitType: 'request' }),
  '/talk': talk,
}
serve(priced, {}, { '/talk': open })
