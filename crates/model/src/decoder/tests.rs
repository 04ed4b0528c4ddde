use super::*;
use housecat_core::ImageSpec;

const SIDE: usize = 24;

/// A bright square of 3 pixels a side in a world with a wall, and latents that are not quite where it is.
fn world(frames: usize, seed: u64) -> (Experience, Vec<f32>) {
    let mut rng = Seed::new(seed).rng();
    let (mut images, mut latents) = (Vec::new(), Vec::new());
    for _ in 0..frames {
        let [x, y] = [(); 2].map(|()| rng.index(SIDE - 3));
        for pixel in 0..SIDE * SIDE {
            let on = |from: usize, at: usize| (from..from + 3).contains(&at);
            let [column, row] = [pixel % SIDE, pixel / SIDE];
            images.extend(match (on(x, column) && on(y, row), column == 5) {
                (true, _) => [250, 200, 20],
                (false, true) => [90, 90, 90],
                (false, false) => [20, 30, 40],
            });
        }
        let [u, v] = [x, y].map(|at| at as f32 / SIDE as f32);
        latents.extend([u + v, u * u - v, 4.0 + 0.1 * rng.normal(), v]);
    }
    let image = ImageSpec { camera: "top".into(), width: SIDE, height: SIDE };
    let experience =
        Experience { image: Some(image), images: images.into(), ..Experience::default() };
    (experience, latents)
}

fn pictures(experience: &Experience, frames: usize) -> Vec<Image> {
    let picture = |frame: usize| {
        let pixels = experience.image(frame).to_vec();
        Image { width: SIDE, height: SIDE, pixels }
    };
    (0..frames).map(picture).collect()
}

fn train(frames: usize) -> Decoder {
    let (experience, latents) = world(frames, 1);
    let all: Vec<usize> = (0..frames).collect();
    let go_on = |_, _, _| ControlFlow::Continue(());
    Decoder::train(&experience, &all, &latents, Seed::new(7), &go_on).unwrap().unwrap()
}

#[test]
fn what_moves_is_painted_where_it_is_in_frames_never_seen() {
    let decoder = train(3000);
    let (experience, latents) = world(200, 2);
    let pictures = pictures(&experience, 200);
    let errors = decoder.errors(&latents, &pictures.iter().collect::<Vec<_>>()).unwrap();
    let found = Reconstruction::of(errors, 200);
    assert!(found.mse < 0.3 * found.mean_frame_mse, "{found:?}");
    // The mean picture's error is the variance, which is known: 9 of 441 places are the square's.
    assert!((0.004..0.02).contains(&found.mean_frame_mse), "{found:?}");
    let painted = decoder.paint(&latents);
    assert_eq!(painted.len(), 200);
    let yellow = |image: &Image, pixel: usize| image.pixels[3 * pixel] > 135;
    let hits = painted.iter().zip(&pictures).filter(|(painted, picture)| {
        let brightest = (0..SIDE * SIDE).max_by_key(|pixel| painted.pixels[3 * pixel]).unwrap();
        yellow(picture, brightest)
    });
    assert!(hits.count() > 180);
    let wrong = Image::new(8, 8);
    let error = decoder.errors(&latents[..4], &[&wrong]).unwrap_err().to_string();
    assert!(error.contains("24x24") && error.contains("8x8"), "{error}");
}

#[test]
fn the_same_seed_gives_the_same_decoder_and_a_file_keeps_it() {
    let decoder = train(64);
    assert_eq!(decoder, train(64));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decoder.safetensors");
    decoder.save(&path).unwrap();
    assert_eq!(Decoder::load(&path).unwrap(), decoder);
    let whole = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8], says: &str| {
        std::fs::write(&path, bytes).unwrap();
        let error = Decoder::load(&path).unwrap_err().to_string();
        assert!(error.contains("decoder.safetensors") && error.contains(says), "{error}");
    };
    refused(b"nothing", "not a usable");
    refused(&whole[..whole.len() / 2], "not a usable");
    let text = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
    };
    refused(&text("decoder.3.bias", "decoder.9.bias"), "lacks `decoder.3.bias`");
    // Arrays are in the order of their names: the last value is of the mean picture.
    let nan = [&whole[..whole.len() - 4], &f32::NAN.to_le_bytes()].concat();
    refused(&nan, "not finite");
}

#[test]
fn training_stops_when_it_is_told_to_and_needs_pictures() {
    let (experience, mut latents) = world(64, 1);
    let all: Vec<usize> = (0..64).collect();
    let train = |experience: &Experience, latents: &[f32], last: u64| {
        let watch = |step: u64, steps: u64, error: f32| {
            assert!(step <= last && steps == 32 && error.is_finite());
            if step == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        Decoder::train(experience, &all, latents, Seed::new(7), &watch)
    };
    assert!(train(&experience, &latents, 2).unwrap().is_none());
    latents[5] = f32::INFINITY;
    assert!(train(&experience, &latents, 9).unwrap().is_none());
    let blind = Experience { image: None, ..experience };
    assert!(train(&blind, &latents, 9).is_err());
}
