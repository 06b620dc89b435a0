// Asks a priced URL, reads what it is offered, pays, and says in JSON what it saw.
//   node buy.mjs URL SEED DID
import { Challenge, Receipt } from 'mppx'
import { Mppx } from 'mppx/client'
import { payer } from './ledger.mjs'

const [url, seed, did] = process.argv.slice(2)
const mppx = Mppx.create({ methods: [payer(seed, did)], polyfill: false })

const asked = await mppx.rawFetch(url)
const offers = Challenge.fromResponseList(asked)
const problem = await asked.json()
const paid = await mppx.fetch(url)
const seen = {
  offers,
  problem: { type: asked.headers.get('content-type'), body: problem },
  paid: { status: paid.status, body: await paid.clone().text(), receipt: Receipt.fromResponse(paid) },
}
console.log(JSON.stringify(seen))
