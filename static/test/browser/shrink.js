// Makes the pictures in screenshots/ small after they have been renewed: node static/test/browser/shrink.js
// A picture of text has few colours that matter, so it is kept with a palette of its most frequent ones.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { crc32, deflateSync, inflateSync } from "node:zlib";

const folder = new URL("screenshots/", import.meta.url);
const COLOURS = 64;
const SIGNATURE = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);

function* chunksOf(png) {
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    yield [png.toString("latin1", at + 4, at + 8), png.subarray(at + 8, at + 8 + length)];
    at += length + 12;
  }
}

// The predictor of the PNG specification, 9.4.
function paeth(a, b, c) {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

// read gives the pixels of a picture with eight bits a channel, or null if it has a palette already.
function read(png) {
  const parts = [...chunksOf(png)];
  const header = parts.find(([name]) => name === "IHDR")[1];
  const [width, height, kind] = [header.readUInt32BE(0), header.readUInt32BE(4), header[9]];
  if (kind === 3) return null;
  const step = { 2: 3, 6: 4 }[kind];
  const data = inflateSync(Buffer.concat(parts.filter(([name]) => name === "IDAT").map(([, content]) => content)));
  const row = width * step;
  const pixels = Buffer.alloc(height * row);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (row + 1)];
    for (let x = 0; x < row; x++) {
      const left = x >= step ? pixels[y * row + x - step] : 0;
      const up = y > 0 ? pixels[(y - 1) * row + x] : 0;
      const corner = x >= step && y > 0 ? pixels[(y - 1) * row + x - step] : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      pixels[y * row + x] = data[y * (row + 1) + 1 + x] + guess;
    }
  }
  return { width, height, step, pixels };
}

function chunk(name, content) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), content]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

// write keeps the COLOURS most frequent ones; every other becomes the nearest of them.
function write({ width, height, step, pixels }) {
  const colours = new Map();
  const keys = new Int32Array(width * height);
  for (let i = 0; i < keys.length; i++) {
    keys[i] = pixels.readUIntBE(i * step, 3);
    colours.set(keys[i], (colours.get(keys[i]) ?? 0) + 1);
  }
  const palette = [...colours.keys()].sort((a, b) => colours.get(b) - colours.get(a)).slice(0, COLOURS);
  const apart = (a, b) => [16, 8, 0].reduce((sum, bits) => sum + Math.abs(((a >> bits) & 255) - ((b >> bits) & 255)), 0);
  const places = new Map([...colours.keys()].map((key) => [key, palette.reduce((best, colour, i) =>
    (apart(colour, key) < apart(palette[best], key) ? i : best), 0)]));
  const rows = Buffer.alloc(height * (width + 1));
  for (let i = 0; i < keys.length; i++) rows[Math.floor(i / width) * (width + 1) + 1 + (i % width)] = places.get(keys[i]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const table = Buffer.from(palette.flatMap((key) => [key >> 16, (key >> 8) & 255, key & 255]));
  return Buffer.concat([SIGNATURE, chunk("IHDR", header), chunk("PLTE", table),
    chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}

for (const name of readdirSync(folder)) {
  const picture = read(readFileSync(new URL(name, folder)));
  if (picture) writeFileSync(new URL(name, folder), write(picture));
}
