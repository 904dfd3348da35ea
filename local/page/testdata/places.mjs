// Works out the places of the tickets on standard input with the page's own code, see places_test.go.
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";

import { placeOf } from "../../../static/assets/room.js";

// Web Crypto takes milliseconds for a place: it does one of each seal, and has to agree.
const hashes = new Map();
function sha256(input) {
  const key = Buffer.from(input).toString("latin1");
  if (!hashes.has(key)) hashes.set(key, hash("sha256", input, "buffer"));
  return hashes.get(key);
}

const results = [];
for (const { seal, tickets } of JSON.parse(readFileSync(0))) {
  hashes.clear(); // no two seals have a seed in common
  const places = [];
  for (const [shard, seq] of tickets) {
    places.push(await placeOf({ cohort: seal.cohort, shard, seq }, seal, seal.event, seal.run, sha256));
  }
  const [[shard, seq]] = tickets;
  const slowly = await placeOf({ cohort: seal.cohort, shard, seq }, seal, seal.event, seal.run);
  if (slowly !== places[0]) throw new Error(`Web Crypto gives ${slowly}, and node ${places[0]}`);
  results.push(places);
}
process.stdout.write(JSON.stringify(results));
