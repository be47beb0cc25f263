// A one-second clip created here, to test whether this browser honours edit lists. Bytes only, no DOM.
//
// Built like the appliance's instant clips: the file holds HIDDEN + SHOWN pictures, a key picture first, and
// an edit list that starts at the first shown one. Each picture has one grey level (H.264 I_PCM macroblocks,
// ITU-T H.264 section 7.3.5), so which picture is shown can be read from a canvas.

export const FPS = 25;
export const HIDDEN = 10;
export const SHOWN = 25;
const STEP = 6;
const BLACK = 16;
const BLOCKS = 4; // macroblocks per side: 64 x 64 pixels
const SCALE = 12_800;
const TICKS = SCALE / FPS;

/** The grey level of picture `n` on a canvas (video range to full range). @param {number} n */
export const greyOf = (n) => ((BLACK + n * STEP - 16) * 255) / 219;
/** The picture with this grey level. @param {number} grey */
export const pictureOf = (grey) => Math.round(((grey * 219) / 255 + 16 - BLACK) / STEP);

class Bits {
  constructor() {
    /** @type {number[]} */
    this.bytes = [];
    this.used = 8;
  }

  /** @param {number} count @param {number} value */
  u(count, value) {
    for (let bit = count - 1; bit >= 0; bit--) {
      if (this.used === 8) {
        this.bytes.push(0);
        this.used = 0;
      }
      this.bytes[this.bytes.length - 1] |= ((value >> bit) & 1) << (7 - this.used++);
    }
    return this;
  }

  /** Exp-Golomb. @param {...number} values */
  ue(...values) {
    for (const value of values) {
      const size = 32 - Math.clz32(value + 1);
      this.u(size - 1, 0).u(size, value + 1);
    }
    return this;
  }

  align() {
    this.used = 8;
    return this;
  }

  /** @param {number} count @param {number} value */
  fill(count, value) {
    for (let at = 0; at < count; at++) this.bytes.push(value);
    return this;
  }

  stop() {
    return this.u(1, 1).bytes;
  }
}

/** A NAL unit with emulation prevention. @param {number} header @param {readonly number[]} payload */
function nal(header, payload) {
  const out = [header];
  let zeros = 0;
  for (const byte of payload) {
    if (zeros >= 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return out;
}

const SPS = nal(0x67, [
  66,
  0xc0,
  30,
  ...new Bits()
    .ue(0, 0, 2, 1)
    .u(1, 0)
    .ue(BLOCKS - 1, BLOCKS - 1)
    .u(4, 0b1100)
    .stop(),
]);
const PPS = nal(0x68, new Bits().ue(0, 0).u(2, 0).ue(0, 0, 0).u(3, 0).ue(0, 0, 0).u(3, 0b100).stop());

/** Picture n, length-prefixed. @param {number} n */
function sample(n) {
  const bits = new Bits().ue(0, n ? 5 : 7, 0).u(4, n % 16);
  if (n) bits.u(3, 0);
  else bits.ue(0).u(2, 0);
  bits.ue(0, 1); // slice_qp_delta, no deblocking
  for (let block = 0; block < BLOCKS * BLOCKS; block++) {
    if (n) bits.ue(0, 30);
    else bits.ue(25);
    bits
      .align()
      .fill(256, BLACK + n * STEP)
      .fill(128, 128);
  }
  const unit = nal(n ? 0x61 : 0x65, bits.stop());
  return [...u32(unit.length), ...unit];
}

/** @param {...number} values */
const u32 = (...values) =>
  values.flatMap((value) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
/** @param {...number} values */
const u16 = (...values) => values.flatMap((value) => [value >> 8, value & 255]);
/** @param {string} name */
const code = (name) => [...name].map((char) => char.charCodeAt(0));
/** @param {string} name @param {...readonly number[]} parts @returns {number[]} */
function box(name, ...parts) {
  const body = parts.flat();
  return [...u32(body.length + 8), ...code(name), ...body];
}
/** @param {string} name @param {number} flags @param {...readonly number[]} parts */
const full = (name, flags, ...parts) => box(name, u32(flags), ...parts);
const MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);

/** The file. @returns {Uint8Array<ArrayBuffer>} */
export function testClip() {
  const samples = Array.from({ length: HIDDEN + SHOWN }, (_, n) => sample(n));
  const ftyp = box("ftyp", code("isom"), u32(512), code("isomavc1"));
  const moov = (/** @type {number} */ at) => header(samples, at);
  const offset = ftyp.length + moov(0).length + 8;
  return Uint8Array.from([...ftyp, ...moov(offset), ...box("mdat", ...samples)]);
}

/** @param {readonly number[][]} samples @param {number} offset of the first in the file */
function header(samples, offset) {
  const size = BLOCKS * 16;
  const avcc = box("avcC", [
    1,
    66,
    0xc0,
    30,
    0xff,
    0xe1,
    ...u16(SPS.length),
    ...SPS,
    1,
    ...u16(PPS.length),
    ...PPS,
  ]);
  const entry = box(
    "avc1",
    [0, 0, 0, 0, 0, 0],
    u16(1),
    new Array(16).fill(0),
    u16(size, size),
    u32(0x480000, 0x480000, 0),
    u16(1),
    new Array(32).fill(0),
    u16(24, 0xffff),
    avcc,
  );
  const table = box(
    "stbl",
    full("stsd", 0, u32(1), entry),
    full("stts", 0, u32(1, samples.length, TICKS)),
    full("stss", 0, u32(1, 1)),
    full("stsc", 0, u32(1, 1, samples.length, 1)),
    full("stsz", 0, u32(0, samples.length), u32(...samples.map((each) => each.length))),
    full("stco", 0, u32(1, offset)),
  );
  const media = box(
    "mdia",
    full("mdhd", 0, u32(0, 0, SCALE, samples.length * TICKS), u16(0x55c4, 0)),
    full("hdlr", 0, u32(0), code("vide"), u32(0, 0, 0), [0]),
    box(
      "minf",
      full("vmhd", 1, u16(0, 0, 0, 0)),
      box("dinf", full("dref", 0, u32(1), full("url ", 1))),
      table,
    ),
  );
  const shown = SHOWN * TICKS;
  return box(
    "moov",
    full(
      "mvhd",
      0,
      u32(0, 0, SCALE, shown, 0x10000),
      u16(0x100, 0),
      u32(0, 0),
      MATRIX,
      new Array(24).fill(0),
      u32(2),
    ),
    box(
      "trak",
      full("tkhd", 3, u32(0, 0, 1, 0, shown, 0, 0), u16(0, 0, 0, 0), MATRIX, u32(size << 16, size << 16)),
      box("edts", full("elst", 0, u32(1, shown, HIDDEN * TICKS, 0x10000))),
      media,
    ),
  );
}
