// Checks passes with cdk/doors/door.mjs for a test in another language. Arguments: room, shop, event.
// Each line that comes in is a pass in JSON; each that goes out is its claims, null or "unchecked".
import { createInterface } from 'node:readline';
import { newCheck } from '../doors/door.mjs';

const [room, shop, event] = process.argv.slice(2);
const check = newCheck({ room, shop, event });

for await (const line of createInterface({ input: process.stdin })) {
  const claims = await check(JSON.parse(line)).catch(() => 'unchecked');
  process.stdout.write(`${JSON.stringify(claims)}\n`);
}
