//! Style sheets, scripts and the operator's own colours.

use super::browsing::Browser;
use crate::helpers::TestApp;

#[actix_web::test]
async fn files_are_kept_for_good_under_their_versions_address() {
    let app = TestApp::start_with(|config| config.brand.accent = "#b3261e".into()).await;
    let page = Browser::new(&app).get("/sign-in").await.expect(200);
    let sheets = page.links("/static/");
    assert_eq!(sheets.len(), 3, "{sheets:?}");
    for href in &sheets {
        let file = app.get(href).send().await.expect(200);
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"), "{href}");
        let tag = file.header("etag").unwrap().to_owned();
        app.get(href).header("If-None-Match", &tag).send().await.expect(304);
        let bare = app.get(href.split('?').next().unwrap()).send().await.expect(200);
        assert_eq!(bare.header("cache-control"), Some("public, max-age=300, must-revalidate"));
        let wrong = app.get(&format!("{}?v=0", href.split('?').next().unwrap())).send().await.expect(200);
        assert_eq!(wrong.header("cache-control"), Some("public, max-age=300, must-revalidate"));
    }
    let brand = app.get("/static/brand.css").send().await.expect(200);
    assert!(brand.text.contains("--accent:#b3261e"), "{}", brand.text);
    app.get("/static/logo").send().await.expect(404);
}
