// Says whether the file, or what a URL answers, is an OpenAPI document.
//   node validate.mjs FILE|URL
import { readFile } from 'node:fs/promises'
import { Validator } from '@seriousme/openapi-schema-validator'

const [from] = process.argv.slice(2)
const text = /^https?:/.test(from) ? await (await fetch(from)).text() : await readFile(from, 'utf8')
const validator = new Validator()
const { valid, errors } = await validator.validate(JSON.parse(text))
console.log(valid ? `OpenAPI ${validator.version}` : JSON.stringify(errors, null, 2))
process.exit(valid ? 0 : 1)
