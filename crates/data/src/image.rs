//! Images as PNG: losslessly, and quick enough that collection is not bound by it.

use png::{BitDepth, ColorType, Compression};
use std::io::Cursor;

/// Encodes `[height, width, 3]` bytes onto the end of `out`.
///
/// The fastest level of the `png` crate: rows predicted from the row above, then fdeflate. Rendered
/// scenes are mostly flat, so rows repeat and shrink to almost nothing all the same.
pub(crate) fn encode(
    pixels: &[u8],
    width: usize,
    height: usize,
    out: &mut Vec<u8>,
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(out, width as u32, height as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fastest);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()
}

/// Decodes into `out`, which must be of exactly the size of the image; the message says what differs.
pub(crate) fn decode(
    bytes: &[u8],
    width: usize,
    height: usize,
    out: &mut [u8],
) -> Result<(), String> {
    let mut reader =
        png::Decoder::new(Cursor::new(bytes)).read_info().map_err(|error| error.to_string())?;
    let info = reader.info();
    if (info.width as usize, info.height as usize) != (width, height) {
        return Err(format!("is {} x {}, not {width} x {height}", info.width, info.height));
    }
    if reader.output_color_type() != (ColorType::Rgb, BitDepth::Eight) {
        return Err(format!("is {:?}, not 8-bit RGB", reader.output_color_type()));
    }
    if reader.output_buffer_size() != Some(out.len()) {
        return Err(format!("does not fill {} bytes", out.len()));
    }
    reader.next_frame(out).map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_survive() {
        let pixels: Vec<u8> = (0..7 * 5 * 3).map(|at| (at * 37 % 256) as u8).collect();
        let mut bytes = Vec::new();
        encode(&pixels, 7, 5, &mut bytes).unwrap();
        let mut back = vec![0; pixels.len()];
        decode(&bytes, 7, 5, &mut back).unwrap();
        assert_eq!(pixels, back);
    }

    #[test]
    fn flaws_are_told_apart() {
        let mut bytes = Vec::new();
        encode(&[9; 12], 2, 2, &mut bytes).unwrap();
        assert!(decode(&bytes, 4, 1, &mut [0; 12]).unwrap_err().contains("is 2 x 2"));
        assert!(decode(&bytes[..40], 2, 2, &mut [0; 12]).is_err());
        assert!(decode(b"no picture", 2, 2, &mut [0; 12]).is_err());
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(decode(&bytes, 2, 2, &mut [0; 12]).is_err());
    }
}
