// A server of mppx: GET /tempo costs a dollar on a chain, GET /ledger is paid by one buyer's signature, and
// GET /entries tells what was paid.
//   node shop.mjs SEED PAYEE
import { Mppx, tempo } from 'mppx/server'
import { till } from './ledger.mjs'
import { serve } from './serve.mjs'

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
const priced = {
  '/tempo': mppx['tempo/charge']({ amount: '1', description: 'A dollar\u2019s worth' }),
  '/ledger': mppx['ledger/charge']({ amount: '2000', currency: 'usd6', recipient: payee }),
}
serve(priced, { '/entries': () => Response.json(entries) })
