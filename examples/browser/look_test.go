package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var screenshots = flag.String("screenshots", "screenshots", "`directory` that the pictures of the pages are left in")

// looks are the ways in which every page is looked at.
var looks = []struct {
	name, scheme  string
	width, height int64
	scale         float64
	phone         bool
}{
	{"light", "light", 1280, 800, 1, false},
	{"dark", "dark", 1280, 800, 1, false},
	{"phone", "light", 390, 844, 1, true},
}

// look takes pictures of the page, and checks what every page must be: readable in each look,
// named for a screen reader, and within reach of the keyboard.
func (p *tab) look(name string) {
	p.t.Helper()
	for _, l := range looks {
		must(p, l.name, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
			none, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width: l.width, Height: l.height, DeviceScaleFactor: l.scale, Mobile: l.phone})
			if err != nil {
				return none, err
			}
			return cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}})
		})
		for _, poor := range evaluate[[]string](p, poorContrast) {
			p.t.Errorf("%s, %s: %s", name, l.name, poor)
		}
		if wide := evaluate[int64](p, `document.documentElement.scrollWidth`); wide > l.width {
			p.t.Errorf("%s, %s: the page is %d pixels wide, the window %d", name, l.name, wide, l.width)
		}
		p.shoot(name + "-" + l.name + ".png")
	}
	p.checkNames(name)
	p.checkKeyboard(name)
}

func (p *tab) shoot(file string) {
	p.t.Helper()
	whole := true
	picture := must(p, file, func(ctx context.Context, t *chromedp.Target) (page.CaptureScreenshotResult, error) {
		return cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &whole, OptimizeForSpeed: &whole})
	})
	err := os.MkdirAll(*screenshots, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(*screenshots, file), picture.Data, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// checkNames wants a name for whatever can be used or read off, one heading of the page, and a
// main part.
func (p *tab) checkNames(where string) {
	p.t.Helper()
	tree := must(p, "the accessibility tree", func(ctx context.Context, t *chromedp.Target) (accessibility.GetFullAXTreeResult, error) {
		return cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	need := []string{"button", "link", "textbox", "searchbox", "spinbutton", "combobox", "listbox", "checkbox", "radio", "tab", "tabpanel",
		"progressbar", "meter", "heading", "navigation", "RootWebArea"}
	count := map[string]int{}
	for _, node := range tree.Nodes {
		role := said(node.Role)
		if node.Ignored {
			continue
		}
		count[role]++
		if slices.Contains(need, role) && said(node.Name) == "" {
			p.t.Errorf("%s: a %s has no name", where, role)
		}
	}
	if count["main"] != 1 {
		p.t.Errorf("%s: there are %d main parts, want one", where, count["main"])
	}
	if n := evaluate[int](p, `document.querySelectorAll("h1").length`); n != 1 {
		p.t.Errorf("%s: there are %d headings of the first level, want one", where, n)
	}
	if language := evaluate[string](p, `document.documentElement.lang`); language == "" {
		p.t.Errorf("%s: the page does not say its language", where)
	}
}

// checkKeyboard walks through the page with the Tab key: every control must get the focus, and
// show it.
func (p *tab) checkKeyboard(where string) {
	p.t.Helper()
	controls := evaluate[int](p, markControls)
	for range controls + 2 {
		must(p, "the Tab key", chromedp.KeyEvent(kb.Tab))
	}
	for _, missed := range evaluate[[]string](p, missedControls) {
		p.t.Errorf("%s: the Tab key %s", where, missed)
	}
}

const markControls = `(() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex='0']")]
    .filter((e) => !e.disabled && e.type !== "hidden" && e.tabIndex >= 0 && e.checkVisibility());
  window.walked = { all, seen: new Set(), hidden: new Set() };
  document.addEventListener("focusin", ({ target }) => {
    window.walked.seen.add(target);
    const style = getComputedStyle(target);
    if (!target.matches(":focus-visible") || style.outlineStyle === "none" || style.outlineWidth === "0px") window.walked.hidden.add(target);
  });
  document.activeElement.blur();
  return all.length;
})()`

const missedControls = `(() => {
  const { all, seen, hidden } = window.walked;
  const name = (e) => e.tagName.toLowerCase() + " " + (e.id || e.textContent.trim());
  return [...all.filter((e) => e.isConnected && !seen.has(e)).map((e) => "does not reach " + name(e)),
    ...[...hidden].map((e) => "reaches without a sign " + name(e))];
})()`

// poorContrast finds text that has less than 4.5 of contrast to what is behind it (3 if it is
// large), as WCAG 2 counts.
var poorContrast = fmt.Sprintf(`(() => {
  const [large, least, leastLarge] = [%d, %.1f, %.1f];
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const layers = (colors) => {
    canvas.fillStyle = "#fff";
    canvas.fillRect(0, 0, 1, 1);
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim(), of = texts.currentNode.parentElement;
    if (!text || ["SCRIPT", "STYLE"].includes(of.tagName) || of.disabled || !of.checkVisibility()) continue;
    const behind = [];
    let opacity = 1;
    for (let e = of; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      behind.unshift(style.backgroundColor);
      opacity *= style.opacity;
    }
    const style = getComputedStyle(of), ground = layers(behind);
    const solid = layers([...behind, style.color]);
    const ink = solid.map((c, i) => c * opacity + ground[i] * (1 - opacity));
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    if (ratio < (size >= large || (size >= large * 0.78 && style.fontWeight >= 700) ? leastLarge : least))
      poor.add(text.slice(0, 40) + " has a contrast of " + ratio.toFixed(2));
  }
  return [...poor];
})()`, 24, 4.5, 3.0)
