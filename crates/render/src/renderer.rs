//! From a scene and its poses to pictures.

use housecat_core::{DepthImage, Image, Pose, Scene, SegmentationImage};

use crate::RenderError;
use crate::canvas::{BLOCK, Samples, pack};
use crate::lens::Lens;
use crate::light::Lights;
use crate::painter::Painter;
use crate::stage::{Layer, Stage};

/// The longest side of a picture, pixels.
const LONGEST_SIDE: usize = 4096;

/// Draws and measures one camera of one scene. It owns every buffer it needs, so keep one per
/// environment; a frame allocates nothing once the buffers have grown to what the scene moves over.
/// Clones share the textures.
#[derive(Clone, Debug)]
pub struct Renderer {
    stage: Stage,
    width: usize,
    height: usize,
    picture: Layer,
    /// The picture with nothing but the background.
    backdrop: Vec<u8>,
    /// For depth and segmentation; made when first asked for.
    measurement: Option<Layer>,
}

impl Renderer {
    /// A renderer of `scene.cameras[camera]` with `width` x `height` pixels.
    ///
    /// `fixed` says for each body whether it never moves: shapes on such bodies are drawn once. It
    /// only saves time. If a fixed body does move, the background is drawn again, and if the camera
    /// rides on a body that is not fixed there is no background to keep.
    ///
    /// A scene without lights is lit from the camera.
    ///
    /// # Errors
    /// If the camera does not exist or has an impossible field of view, a side is 0 or above 4096
    /// pixels, `fixed` has not one entry per body, there are more than 65535 shapes, or a shape has
    /// an impossible body, size, corner, colour or texture.
    pub fn new(
        scene: &Scene,
        fixed: &[bool],
        camera: usize,
        width: usize,
        height: usize,
    ) -> Result<Self, RenderError> {
        let bodies = scene.bodies.len();
        if fixed.len() != bodies {
            return Err(RenderError::BadFixed { got: fixed.len(), bodies });
        }
        let sides = 1..=LONGEST_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(RenderError::BadSize { width, height, limit: LONGEST_SIDE });
        }
        let count = scene.cameras.len();
        let seen_from = scene.cameras.get(camera);
        let camera = seen_from.ok_or(RenderError::NoCamera { index: camera, count })?;
        let lens = Lens::new(camera, width, height)?;
        let painter = Painter::new(lens, Some(Lights::new(&scene.lights)));
        let mut renderer = Self {
            stage: Stage::new(scene, fixed, camera)?,
            picture: Layer::new(painter, pack(scene.background)),
            width,
            height,
            backdrop: vec![0; width * height * 3],
            measurement: None,
        };
        renderer.keep_backdrop();
        Ok(renderer)
    }

    /// Draws the bodies at `poses`, one per body of the scene, in the world's frame. `out` is made
    /// the right size and wholly overwritten. A shape on a body without a pose, or with a pose that
    /// is not finite, is not drawn.
    pub fn render(&mut self, poses: &[Pose], out: &mut Image) {
        if self.picture.draw(&self.stage, poses) {
            self.keep_backdrop();
        }
        (out.width, out.height) = (self.width, self.height);
        out.pixels.resize(self.backdrop.len(), 0);
        out.pixels.copy_from_slice(&self.backdrop);
        self.picture.painter.canvas.finish(|pixel, samples| {
            out.pixels[pixel * 3..][..3].copy_from_slice(&samples.mean());
        });
    }

    /// Measures how far away things are: at the middle of each pixel, along the camera's axis.
    /// For the rest see [`Renderer::render`].
    pub fn depth(&mut self, poses: &[Pose], out: &mut DepthImage) {
        (out.width, out.height) = (self.width, self.height);
        out.metres.resize(self.width * self.height, f32::INFINITY);
        self.measure(poses, |pixel, depth, _| out.metres[pixel] = depth);
    }

    /// Finds which shape is seen at the middle of each pixel. For the rest see
    /// [`Renderer::render`].
    pub fn segmentation(&mut self, poses: &[Pose], out: &mut SegmentationImage) {
        (out.width, out.height) = (self.width, self.height);
        out.shapes.resize(self.width * self.height, SegmentationImage::NOTHING);
        self.measure(poses, |pixel, _, shape| out.shapes[pixel] = shape);
    }

    /// Tells the depth and shape of every pixel.
    fn measure(&mut self, poses: &[Pose], mut tell: impl FnMut(usize, f32, u16)) {
        let (stage, width, height) = (&self.stage, self.width, self.height);
        let layer = self.measurement.get_or_insert_with(|| {
            let lens = self.picture.painter.lens.measuring();
            Layer::new(Painter::new(lens, None), u32::from(SegmentationImage::NOTHING))
        });
        layer.draw(stage, poses);
        let blocks = layer.painter.canvas.width;
        let mut tell_block = |block: usize, samples: &Samples| {
            let (left, top) = (block % blocks * BLOCK, block / blocks * BLOCK);
            for (i, (&depth, &shape)) in samples.depth.iter().zip(&samples.color).enumerate() {
                let (column, row) = (left + i % BLOCK, top + i / BLOCK);
                if column < width && row < height {
                    tell(row * width + column, depth, shape as u16);
                }
            }
        };
        for (block, samples) in layer.painter.canvas.background().iter().enumerate() {
            tell_block(block, samples);
        }
        layer.painter.canvas.finish(tell_block);
    }

    fn keep_backdrop(&mut self) {
        let samples = self.picture.painter.canvas.background();
        for (pixel, samples) in self.backdrop.chunks_exact_mut(3).zip(samples) {
            pixel.copy_from_slice(&samples.mean());
        }
    }
}
