// Farthing's ledger as a payment method of mppx: what is signed is lines of text, by an Ed25519 key.
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { Credential, Method, Receipt, z } from 'mppx'

const ledger = Method.from({
  name: 'ledger',
  intent: 'charge',
  schema: {
    credential: { payload: z.object({ signature: z.string() }) },
    request: z.object({ amount: z.string(), currency: z.string(), recipient: z.string() }),
  },
})

// The key of a seed: what stands before the 32 bytes in DER form, and those.
function privateKey(seed) {
  const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex')
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

function text({ id, realm, request }) {
  const { amount, currency, recipient } = request
  return Buffer.from(
    ['farthing-ledger-charge-v1', id, amount, currency, recipient, realm].join('\n'),
  )
}

// Pays with the key of a seed.
export function payer(seed, did) {
  const key = privateKey(seed)
  return Method.toClient(ledger, {
    async createCredential({ challenge }) {
      const signature = sign(null, text(challenge), key).toString('base64url')
      return Credential.serialize({ challenge, payload: { signature }, source: did })
    },
  })
}

// Is paid by one buyer, the one of a seed, and enters what was signed.
export function till(seed, entries) {
  const key = createPublicKey(privateKey(seed))
  return Method.toServer(ledger, {
    async verify({ credential }) {
      const { challenge, payload, source } = credential
      const signature = Buffer.from(payload.signature, 'base64url')
      if (!verify(null, text(challenge), key, signature)) throw new Error('not signed by the buyer')
      entries.push({ source, ...challenge.request })
      return Receipt.from({
        method: 'ledger',
        status: 'success',
        timestamp: new Date().toISOString(),
        reference: `entry-${entries.length}`,
      })
    },
  })
}
