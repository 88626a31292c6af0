// The map: bundled land, and targets and footprints in the colours of the page.
"use strict";
(() => {
  const place = document.getElementById("map");
  if (!place) return;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const map = L.map(place, { preferCanvas: true, worldCopyJump: true, minZoom: 1, maxZoom: 14, zoomSnap: 0.5, attributionControl: true });
  map.attributionControl.setPrefix("").addAttribution("Land: Natural Earth");
  map.setView([20, 0], 1.5);
  map.createPane("land").style.zIndex = 300; // below the orders
  const land = L.layerGroup().addTo(map);
  const layer = L.geoJSON(null, {
    style: styleOf,
    pointToLayer: dot,
    onEachFeature: addTooltip,
  }).addTo(map);
  const pins = L.layerGroup().addTo(map); // for areas that are too small
  let shape = null;
  let seen = "";
  let from = "";
  let fitted = ""; // the features that the view was fitted to
  let due = null;
  let many = false;

  function styleOf(feature) {
    const colour = style(feature.facts.tone) || style("waiting");
    const target = feature.properties.kind === "target";
    return { color: colour, fillColor: colour, weight: target ? 2 : 1.5, fillOpacity: target ? 0.15 : 0.4, dashArray: target && feature.geometry.type !== "Point" ? "4 3" : null };
  }

  function dot(feature, at) {
    return L.circleMarker(at, { radius: many ? 3.5 : 6, ...styleOf(feature) });
  }

  function addTooltip(feature, drawn) {
    drawn.bindTooltip(() => text(feature.properties), { sticky: true });
    drawn.on("click", () => { location.href = feature.facts.page; });
  }

  function pin() {
    pins.clearLayers();
    layer.eachLayer((drawn) => {
      if (!drawn.getBounds || drawn.feature.properties.kind !== "target") return;
      const [low, high] = [drawn.getBounds().getSouthWest(), drawn.getBounds().getNorthEast()].map((at) => map.latLngToLayerPoint(at));
      if (low.distanceTo(high) > 16) return;
      const shown = dot(drawn.feature, drawn.getBounds().getCenter()).setStyle({ dashArray: null }).addTo(pins);
      addTooltip(drawn.feature, shown);
    });
  }

  function text(properties) {  // a node, never markup: names are the provider's
    const node = document.createElement("span");
    node.textContent = [properties.project_name, properties.task_name, properties.status].filter(Boolean).join(" · ");
    return node;
  }

  function drawLand() {
    land.clearLayers();
    if (shape) L.geoJSON(shape, { pane: "land", interactive: false, style: { color: style("shore"), weight: 0.7, fillColor: style("land"), fillOpacity: 1 } }).addTo(land);
  }

  function unfold(feature) { // what crosses 180 degrees is one area, so that the view fits it
    if (feature.bbox[0] > feature.bbox[2]) shift(feature.geometry.coordinates);
    return feature;
  }

  function shift(coordinates) {
    if (Array.isArray(coordinates[0])) coordinates.forEach(shift);
    else if (coordinates[0] < 0) coordinates[0] += 360;
  }

  function later() { // many features are slow to draw, here and in the daemon
    const pause = layer.getLayers().length > 500 ? 15_000 : 0;
    if (place.dataset.features !== from) draw();
    else if (due === null) due = setTimeout(() => { due = null; draw(); }, pause);
  }

  function fit() {
    const bounds = layer.getBounds();
    if (bounds.isValid()) map.fitBounds(bounds, { padding: [30, 30], maxZoom: 10, animate: false });
  }

  async function draw() {
    if (document.hidden) return document.addEventListener("visibilitychange", draw, { once: true });
    from = place.dataset.features;
    const asked = from;
    const answer = await fetch(asked);
    if (!answer.ok) return;
    const raw = await answer.text();
    if (raw === seen || asked !== from) return;
    seen = raw;
    layer.clearLayers();
    const found = JSON.parse(raw);
    many = found.features.length > 300;
    layer.addData(found.features.map(unfold));
    if (fitted !== asked) fit();
    fitted = asked;
    pin();
    place.dataset.drawn = String(layer.getLayers().length);
  }

  fetch("/static/land.json").then((answer) => answer.json()).then((found) => { shape = found; drawLand(); place.dataset.land = "drawn"; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawLand(); layer.setStyle(styleOf); pin(); });
  const fold = document.getElementById("fold");
  if (fold) fold.addEventListener("toggle", () => {
    if (!fold.open) return;
    map.invalidateSize({ pan: false });
    fit();
  });
  map.on("zoomend", pin);
  document.addEventListener("orders-moved", later);
  draw();
})();
