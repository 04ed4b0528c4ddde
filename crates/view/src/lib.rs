//! Core records become rerun recordings and self-contained HTML reports
