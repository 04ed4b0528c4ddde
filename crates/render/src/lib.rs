//! A scene of posed shapes becomes an RGB picture, a depth image or a segmentation on the CPU.
//!
//! A [`Renderer`] belongs to one camera of one [`Scene`](housecat_core::Scene) and turns the poses
//! of the bodies into an [`Image`](housecat_core::Image). The picture is a function of the scene
//! and the poses alone: no clock, no thread count and no earlier frame has a say in its bits.
//!
//! # How a frame is made
//!
//! - Every pixel has 16 samples (module `canvas`), each a colour and a depth. A pixel is their mean, so
//!   an edge that moves by a sixteenth of a pixel changes the picture.
//! - Round shapes (module `round`) are cut with the ray of each sample in closed form, so that their
//!   silhouettes are round at any size. Boxes, planes and meshes (module `facets`) are rasterised with
//!   homogeneous edge functions, which need no clipping. Both work in the frame of the shape.
//! - Light (module `light`) is Lambert's law without shadows, plus a dim headlight so that faces turned
//!   away from every lamp can still be told apart.
//! - Textures (module `skin`) multiply a shape's colour, wrapped as MuJoCo wraps them; each sample takes
//!   the nearest texel at a resolution that suits the distance.
//! - Depths and segmentations are drawn by the same code with another pattern of samples: one in the
//!   middle of each pixel, so that what they say is true of one ray and not a mean of several.
//! - Shapes on bodies that never move are drawn once. A frame starts as a copy of that background,
//!   and only pixels that a moving shape wins are taken up, drawn over and averaged anew.
//!
//! Arithmetic is `f32` and `f64` addition, multiplication, division and square root, which IEEE 754
//! defines to the bit. The 16 samples of a pixel are the lanes that the compiler vectorises over,
//! eight at a time where the processor has AVX2; nothing is fused or reordered, so the width does
//! not show.
//!
//! # Example
//!
//! A red ball on nothing, seen from three metres above, in colours and in metres:
//!
//! ```
//! use housecat_core::{Camera, DepthImage, Geometry, Image, Pose, Scene, Shape};
//! use housecat_render::Renderer;
//!
//! let above = Pose { position: [0.0, 0.0, 3.0], ..Pose::IDENTITY };
//! let ball = Shape {
//!     name: "ball".into(),
//!     body: 0,
//!     pose: Pose::IDENTITY,
//!     geometry: Geometry::Sphere { radius: 0.5 },
//!     rgba: [0.9, 0.1, 0.1, 1.0],
//!     texture: None,
//! };
//! let camera =
//!     Camera { name: "top".into(), body: 0, pose: above, fovy: 0.6, orthographic: false };
//! let scene = Scene {
//!     bodies: vec!["world".into()],
//!     shapes: vec![ball],
//!     cameras: vec![camera],
//!     ..Scene::default()
//! };
//! let mut renderer = Renderer::new(&scene, &[true], 0, 33, 33)?;
//! let (mut picture, mut depth) = (Image::default(), DepthImage::default());
//! renderer.render(&[Pose::IDENTITY], &mut picture);
//! renderer.depth(&[Pose::IDENTITY], &mut depth);
//! let [red, green, blue] = picture.rgb(16, 16);
//! assert!(red > 100 && green < 50 && blue < 50);
//! assert_eq!(picture.rgb(0, 0), [0; 3]);
//! assert!((depth.metres(16, 16) - 2.5).abs() < 1e-3);
//! # Ok::<(), housecat_render::RenderError>(())
//! ```

mod canvas;
mod error;
mod facets;
mod figure;
mod ink;
mod lens;
mod light;
mod math;
mod painter;
mod renderer;
mod round;
mod skin;
mod stage;

pub use error::RenderError;
pub use renderer::Renderer;
