// Answers questions about headers with mppx: a line of JSON for each question, and one for each answer.
import { createInterface } from 'node:readline'
import { Challenge, Credential, PaymentRequest, Receipt } from 'mppx'

// A header's bytes reach JavaScript as code points, and leave it so.
const received = (wire) => Buffer.from(wire, 'hex').toString('latin1').trim()
const sent = (text) => {
  new Headers({ x: text })
  return Buffer.from(text, 'latin1').toString('hex')
}

const parse = {
  challenge: (wire) => Challenge.deserialize(received(wire)),
  credential: (wire) => Credential.deserialize(received(wire)),
  receipt: (wire) => Receipt.deserialize(received(wire)),
}

const format = {
  challenge: (form) => Challenge.serialize(Challenge.from(form)),
  credential: (form) => Credential.serialize(Credential.from(form)),
  receipt: (form) => Receipt.serialize(Receipt.from(form)),
}

function answer({ op, wire, form, secret }) {
  const [kind, what] = op.split('.')
  if (what === 'parse') return { form: parse[kind](wire) }
  if (what === 'format') return { wire: sent(format[kind](form)) }
  const { id, ...unbound } = form
  return { id: Challenge.from({ ...unbound, secretKey: secret }).id }
}

// What zod has to say is a list of places; which field is wrong is what matters.
function refusal(error) {
  const places = (error.issues ?? []).map(({ path }) => path.join('.'))
  return places.length > 0 ? `the fields ${[...new Set(places)].sort().join(' and ')}` : error.message
}

// JavaScript's texts may hold half a surrogate pair, which no UTF-8 does.
function wellFormed(json) {
  return json.replace(/\\\\|\\ud[89a-f]../g, (escape) => (escape === '\\\\' ? escape : '\ufffd'))
}

for await (const line of createInterface({ input: process.stdin })) {
  let said
  try {
    said = answer(JSON.parse(line))
  } catch (error) {
    said = { refused: refusal(error) }
  }
  process.stdout.write(`${wellFormed(JSON.stringify(said))}\n`)
}
