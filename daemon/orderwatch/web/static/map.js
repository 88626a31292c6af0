// The map: land that ships with us, targets and footprints in the colours of the page.
"use strict";
(() => {
  const place = document.getElementById("map");
  if (!place) return;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const map = L.map(place, { preferCanvas: true, worldCopyJump: true, minZoom: 1, maxZoom: 14, zoomSnap: 0.5, attributionControl: true });
  map.attributionControl.setPrefix("").addAttribution("Land: Natural Earth");
  map.setView([20, 0], 1.5);
  const land = L.layerGroup().addTo(map);
  const layer = L.geoJSON(null, {
    style: looks,
    pointToLayer: (feature, at) => L.circleMarker(at, { radius: 6, ...looks(feature) }),
    onEachFeature: (feature, drawn) => {
      const told = feature.properties;
      drawn.bindTooltip(() => text(told), { sticky: true });
      drawn.on("click", () => { location.href = feature.facts.page; });
    },
  }).addTo(map);
  let shape = null;
  let seen = "";

  function looks(feature) {
    const colour = style(feature.facts.tone) || style("waiting");
    const target = feature.properties.kind === "target";
    return { color: colour, fillColor: colour, weight: target ? 2 : 1.5, fillOpacity: target ? 0.15 : 0.4, dashArray: target && feature.geometry.type !== "Point" ? "4 3" : null };
  }

  function text(told) {  // a node, never markup: names are the provider's
    const node = document.createElement("span");
    node.textContent = [told.project_name, told.task_name, told.status].filter(Boolean).join(" · ");
    return node;
  }

  function drawLand() {
    land.clearLayers();
    if (shape) L.geoJSON(shape, { interactive: false, style: { color: style("shore"), weight: 0.7, fillColor: style("land"), fillOpacity: 1 } }).addTo(land);
    layer.bringToFront();
  }

  async function draw(fit) {
    const answer = await fetch(place.dataset.features + (place.dataset.query || ""));
    if (!answer.ok) return;
    const raw = await answer.text();
    if (raw === seen) return;
    seen = raw;
    layer.clearLayers();
    layer.addData(JSON.parse(raw));
    const bounds = layer.getBounds();
    if (fit && bounds.isValid()) map.fitBounds(bounds, { padding: [30, 30], maxZoom: 10, animate: false });
    place.dataset.drawn = String(layer.getLayers().length);
  }

  fetch("/static/land.json").then((answer) => answer.json()).then((found) => { shape = found; drawLand(); place.dataset.land = "drawn"; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawLand(); layer.setStyle(looks); });
  document.addEventListener("orders-moved", () => draw(false));
  draw(true);
})();
