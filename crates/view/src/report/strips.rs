//! Episodes in pictures: what happened, and what was imagined beside it.

use super::html::escape;
use crate::ViewError;
use crate::png::{data_uri, named_png};
use housecat_core::Image;
use std::fmt::Write as _;

/// An episode in pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strip {
    /// Which episode, and what came of it.
    pub caption: String,
    /// Whether the criterion was met.
    pub success: bool,
    /// Labels (start, goal, step 10, achieved) and pictures, in order.
    pub frames: Vec<(String, Image)>,
    /// Its first plan, in order; empty where nothing paints what was imagined.
    pub plan: Vec<Moment>,
}

/// A moment of a plan, as it was imagined and as the simulator has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// When (start, step 10), or that it is the goal.
    pub label: String,
    /// The picture that a decoder paints of the latent that was expected; of the goal, that of its latent.
    pub imagined: Image,
    /// What the simulator shows after the same actions; of the goal, its picture.
    pub simulated: Image,
}

/// The strips as figures.
///
/// # Errors
/// [`ViewError::Image`] if a frame's bytes do not fit its size.
pub(super) fn figures(strips: &[Strip]) -> Result<String, ViewError> {
    let mut body = String::new();
    for strip in strips {
        let (class, verdict) =
            if strip.success { ("strip ok", "success") } else { ("strip", "failure") };
        let caption = escape(&strip.caption);
        let _ = write!(
            body,
            "<figure class=\"{class}\"><figcaption><span class=\"verdict\">{verdict}</span>\
             {caption}</figcaption><ol class=\"frames\">"
        );
        for (label, image) in &strip.frames {
            let picture = picture(label, image, &strip.caption)?;
            let _ = write!(body, "<li>{picture}{}</li>", escape(label));
        }
        body += "</ol>";
        if !strip.plan.is_empty() {
            body += "<p class=\"soft\">Its first plan: above, what the model imagined, painted from its latents by \
                     a decoder that is made for display only; below, what the simulator shows after the same \
                     actions.</p><ol class=\"frames\"><li class=\"rows\"><span>imagined</span>\
                     <span>simulated</span></li>";
        }
        for Moment { label, imagined, simulated } in &strip.plan {
            let [imagined, simulated] = [("imagined", imagined), ("simulated", simulated)]
                .map(|(how, image)| picture(&format!("{label}, {how}"), image, &strip.caption));
            let _ = write!(body, "<li>{}{}{}</li>", imagined?, simulated?, escape(label));
        }
        body += if strip.plan.is_empty() { "</figure>\n" } else { "</ol></figure>\n" };
    }
    Ok(body)
}

/// A picture within the page.
fn picture(label: &str, image: &Image, caption: &str) -> Result<String, ViewError> {
    let uri = data_uri(&named_png(label, image)?);
    let (width, height) = (image.width, image.height);
    let words = escape(&format!("{caption}: {label}"));
    Ok(format!("<img src=\"{uri}\" width=\"{width}\" height=\"{height}\" alt=\"{words}\">"))
}
