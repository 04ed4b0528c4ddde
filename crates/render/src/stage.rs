//! What stands before a camera, and how much of it need not be drawn again.

use std::sync::Arc;

use housecat_core::{Camera, Pose, Scene, SegmentationImage};

use crate::RenderError;
use crate::figure::Figure;
use crate::painter::Painter;
use crate::skin::{Pyramid, Skin};

/// The visible shapes of a scene, as seen from one of its cameras.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    camera_body: usize,
    camera_pose: Pose,
    /// Shapes that are said to keep their place before the camera.
    still: Vec<Figure>,
    moving: Vec<Figure>,
    /// The bodies that the picture of the still shapes depends on.
    anchors: Vec<usize>,
}

impl Stage {
    /// `fixed` has an entry for each body.
    pub fn new(scene: &Scene, fixed: &[bool], camera: &Camera) -> Result<Self, RenderError> {
        let bodies = scene.bodies.len();
        let rides = |what, name: &str, body| {
            let name = name.to_owned();
            if body < bodies {
                Ok(())
            } else {
                Err(RenderError::NoBody { what, name, body, bodies })
            }
        };
        rides("camera", &camera.name, camera.body)?;
        let (count, limit) = (scene.shapes.len(), usize::from(SegmentationImage::NOTHING));
        if count > limit {
            return Err(RenderError::TooManyShapes { count, limit });
        }
        let mut pyramids = vec![None; scene.textures.len()];
        let (mut still, mut moving) = (Vec::new(), Vec::new());
        for (index, shape) in scene.shapes.iter().enumerate() {
            rides("shape", &shape.name, shape.body)?;
            let mut figure = Figure::new(index as u32, shape)?;
            if shape.rgba[3] == 0.0 {
                continue;
            }
            if let Some(map) = &shape.texture {
                let (Some(texture), Some(pyramid)) =
                    (scene.textures.get(map.texture), pyramids.get_mut(map.texture))
                else {
                    return Err(RenderError::BadShape {
                        name: shape.name.clone(),
                        problem: format!(
                            "it wears texture {} but the scene has {}",
                            map.texture,
                            scene.textures.len()
                        ),
                    });
                };
                let pyramid = match pyramid {
                    Some(made) => made,
                    None => pyramid.insert(Arc::new(Pyramid::new(texture)?)),
                };
                figure.skin = Some(Skin::new(shape, map, pyramid.clone())?);
            }
            let stays = fixed[shape.body] && fixed[camera.body];
            if stays { &mut still } else { &mut moving }.push(figure);
        }
        let mut anchors: Vec<usize> = still.iter().map(|figure| figure.body).collect();
        if !still.is_empty() {
            anchors.push(camera.body);
        }
        anchors.sort_unstable();
        anchors.dedup();
        Ok(Self { camera_body: camera.body, camera_pose: camera.pose, still, moving, anchors })
    }
}

/// The pose of a body that is not there.
const NOWHERE: Pose = Pose { position: [f32::NAN; 3], rotation: [f32::NAN; 4] };

/// A canvas that keeps the still shapes of a stage.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub painter: Painter,
    /// What a sample has where there is no shape.
    nothing: u32,
    /// The poses of the stage's anchors when the still shapes were drawn; empty before that.
    drawn_at: Vec<Pose>,
}

impl Layer {
    pub fn new(mut painter: Painter, nothing: u32) -> Self {
        painter.canvas.clear(nothing);
        Self { painter, nothing, drawn_at: Vec::new() }
    }

    /// Draws the bodies of a stage (always the same one) at `poses`. Says whether that changed the
    /// background of the canvas.
    pub fn draw(&mut self, stage: &Stage, poses: &[Pose]) -> bool {
        let Self { painter, nothing, drawn_at } = self;
        let pose_of = |body: usize| poses.get(body).copied().unwrap_or(NOWHERE);
        let camera = pose_of(stage.camera_body).compose(&stage.camera_pose);
        let current = stage.anchors.iter().map(|&body| pose_of(body));
        let outdated = !stage.anchors.is_empty() && !current.clone().eq(drawn_at.iter().copied());
        if outdated {
            drawn_at.clear();
            drawn_at.extend(current);
            painter.canvas.clear(*nothing);
            for figure in &stage.still {
                painter.draw(figure, &camera, &pose_of(figure.body));
            }
            painter.canvas.bake();
        }
        for figure in &stage.moving {
            painter.draw(figure, &camera, &pose_of(figure.body));
        }
        outdated
    }
}
