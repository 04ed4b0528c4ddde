//! Images as PNG files and as data URIs.

use crate::ViewError;
use housecat_core::Image;

/// Encodes an image as a PNG file.
///
/// # Errors
/// [`ViewError::Image`] if its bytes do not fit its size, or if it has no pixels.
pub fn png_bytes(image: &Image) -> Result<Vec<u8>, ViewError> {
    named_png("", image)
}

pub(crate) fn named_png(name: &str, image: &Image) -> Result<Vec<u8>, ViewError> {
    let (width, height) = (image.width, image.height);
    let misfit =
        || ViewError::Image { name: name.to_owned(), width, height, got: image.pixels.len() };
    if image.pixels.len() != width * height * 3 {
        return Err(misfit());
    }
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|_| misfit())?;
    writer.write_image_data(&image.pixels).map_err(|_| misfit())?;
    writer.finish().map_err(|_| misfit())?;
    Ok(bytes)
}

/// Encodes frames side by side, top-aligned, with a narrow white gap between them, as one PNG file.
///
/// # Errors
/// [`ViewError::Image`] if a frame's bytes do not fit its size, or if there is nothing to show.
pub fn film_strip_png(frames: &[Image]) -> Result<Vec<u8>, ViewError> {
    named_png("film strip", &film_strip(frames)?)
}

/// The frames side by side, as [`film_strip_png`] has them.
pub(crate) fn film_strip(frames: &[Image]) -> Result<Image, ViewError> {
    const GAP: usize = 2;
    let width = frames.iter().map(|frame| frame.width + GAP).sum::<usize>().saturating_sub(GAP);
    let height = frames.iter().map(|frame| frame.height).max().unwrap_or(0);
    let mut strip = Image { width, height, pixels: vec![255; width * height * 3] };
    let mut left = 0;
    for (index, frame) in frames.iter().enumerate() {
        if frame.pixels.len() != frame.width * frame.height * 3 {
            return Err(ViewError::Image {
                name: format!("frame {index}"),
                width: frame.width,
                height: frame.height,
                got: frame.pixels.len(),
            });
        }
        for (y, row) in frame.pixels.chunks_exact((frame.width * 3).max(1)).enumerate() {
            let at = (y * width + left) * 3;
            strip.pixels[at..at + row.len()].copy_from_slice(row);
        }
        left += frame.width + GAP;
    }
    Ok(strip)
}

/// A PNG file as a `data:` URI, for embedding in HTML.
pub(crate) fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64(png))
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            (0..3).fold(0_usize, |group, i| group << 8 | usize::from(*chunk.get(i).unwrap_or(&0)));
        for digit in 0..4 {
            text.push(if digit <= chunk.len() {
                char::from(ALPHABET[group >> (18 - 6 * digit) & 63])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Image {
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.color_type, ::png::ColorType::Rgb);
        Image { width: info.width as usize, height: info.height as usize, pixels }
    }

    fn gradient(width: usize, height: usize) -> Image {
        let pixels = (0..width * height * 3).map(|i| (i * 7 % 256) as u8).collect();
        Image { width, height, pixels }
    }

    #[test]
    fn base64_follows_the_rfc() {
        let cases = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let want = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        assert_eq!(cases.map(|case| base64(case.as_bytes())), want);
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn an_image_survives_png() {
        let image = gradient(13, 7);
        assert_eq!(decode(&png_bytes(&image).unwrap()), image);
    }

    #[test]
    fn a_strip_holds_its_frames() {
        let (left, right) = (gradient(5, 4), gradient(3, 6));
        let strip = decode(&film_strip_png(&[left.clone(), right.clone()]).unwrap());
        assert_eq!((strip.width, strip.height), (10, 6));
        assert_eq!(strip.rgb(4, 3), left.rgb(4, 3));
        assert_eq!(strip.rgb(7, 5), right.rgb(0, 5));
        assert_eq!(strip.rgb(5, 0), [255; 3]);
        assert_eq!(strip.rgb(0, 5), [255; 3]);
    }

    #[test]
    fn misfits_are_refused() {
        let bad = Image { width: 4, height: 4, pixels: vec![0; 5] };
        assert!(matches!(png_bytes(&bad), Err(ViewError::Image { got: 5, .. })));
        assert!(matches!(film_strip_png(&[bad]), Err(ViewError::Image { .. })));
        assert!(film_strip_png(&[]).is_err());
        assert!(png_bytes(&Image::default()).is_err());
    }
}
