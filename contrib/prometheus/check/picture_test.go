package check

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

var picture = flag.String("picture", "", "write a picture of the dashboard to this file")

type panel struct {
	Title       string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
	FieldConfig struct{ Defaults struct{ Unit string } }
}

func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile("../dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Panels
}

// TestEachPanelShowsSomething evaluates the dashboard's queries, as Prometheus does, over the metrics
// of a gate that works for a quarter of an hour. With -picture it draws them.
func TestEachPanelShowsSomething(t *testing.T) {
	var all []scrape
	synctest.Test(t, func(t *testing.T) { all = scrapes(t) })
	store := teststorage.New(t)
	defer func() { _ = store.Close() }()
	for _, s := range all {
		to := store.Appender(t.Context())
		for _, f := range s.families {
			for _, m := range f.GetMetric() {
				samples(f, m, func(name string, value float64, more ...string) {
					l := append([]string{labels.MetricName, name, "job", "app", "instance", "app-1"}, more...)
					for _, pair := range m.GetLabel() {
						l = append(l, pair.GetName(), pair.GetValue())
					}
					if _, err := to.Append(0, labels.FromStrings(l...), s.at.UnixMilli(), value); err != nil {
						t.Fatal(err)
					}
				})
			}
		}
		if err := to.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 10_000_000, Timeout: time.Minute})
	defer func() { _ = engine.Close() }()
	var drawn strings.Builder
	begins, ends := all[0].at, all[len(all)-1].at
	for _, p := range panels(t) {
		var lines []line
		for _, target := range p.Targets {
			lines = append(lines, query(t, engine, store, target.Expr, target.LegendFormat, begins, ends)...)
		}
		if len(lines) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		draw(&drawn, p, lines)
	}
	if *picture == "" {
		return
	}
	rows := 0
	for _, p := range panels(t) {
		rows = max(rows, p.GridPos.Y/8+1)
	}
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 %d" font-family="system-ui, sans-serif" font-size="12"><rect width="1200" height="%[1]d" fill="#f4f5f7"/>%s</svg>`+"\n", rows*height+20, drawn.String())
	if err := os.WriteFile(*picture, []byte(svg), 0o644); err != nil { //nolint:gosec // it is a page of the documentation
		t.Fatal(err)
	}
}

// samples tells the samples of a metric.
func samples(f *dto.MetricFamily, m *dto.Metric, tell func(name string, value float64, labels ...string)) {
	name := f.GetName()
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		tell(name, m.GetCounter().GetValue())
	case dto.MetricType_GAUGE:
		tell(name, m.GetGauge().GetValue())
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		for _, b := range h.GetBucket() {
			tell(name+"_bucket", float64(b.GetCumulativeCount()), "le", strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64))
		}
		tell(name+"_bucket", float64(h.GetSampleCount()), "le", "+Inf")
		tell(name+"_sum", h.GetSampleSum())
		tell(name+"_count", float64(h.GetSampleCount()))
	}
}

// line is one series of a panel.
type line struct {
	legend string
	at     []float64 // of the whole time, 0 to 1
	values []float64
}

func query(t *testing.T, engine *promql.Engine, store storage.Queryable, expr, legend string, begins, ends time.Time) (lines []line) {
	t.Helper()
	expr = strings.NewReplacer("$__rate_interval", "40s", "$job", ".*").Replace(expr)
	q, err := engine.NewRangeQuery(t.Context(), store, nil, expr, begins, ends, interval/2)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	matrix, err := q.Exec(t.Context()).Matrix()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	for _, series := range matrix {
		l := line{legend: legend}
		series.Metric.Range(func(has labels.Label) { l.legend = strings.ReplaceAll(l.legend, "{{"+has.Name+"}}", has.Value) })
		for _, point := range series.Floats {
			if !math.IsNaN(point.F) {
				l.at = append(l.at, float64(point.T-begins.UnixMilli())/float64(ends.Sub(begins).Milliseconds()))
				l.values = append(l.values, point.F)
			}
		}
		if len(l.values) > 0 {
			lines = append(lines, l)
		}
	}
	return lines
}

const height = 214

// draw draws a panel where the dashboard has it.
func draw(to *strings.Builder, p panel, lines []line) {
	colors := []string{"#1f6feb", "#d1495b", "#2a9d5c", "#e09f1f", "#7a4fbf", "#1b8a9a", "#8c564b", "#5f6b7a"}
	most := 0.0
	for _, l := range lines {
		most = max(most, slices.Max(l.values))
	}
	if most == 0 {
		most = 1
	}
	most *= 1.08
	fmt.Fprintf(to, `<g transform="translate(%d %d)"><rect width="580" height="%d" rx="6" fill="#fff" stroke="#dfe3e8"/><text x="14" y="22" font-weight="600" fill="#1c2733">%s</text>`,
		10+p.GridPos.X/12*600, 10+p.GridPos.Y/8*height, height-10, html.EscapeString(p.Title))
	for i := range 3 {
		y := 150 - i*55
		fmt.Fprintf(to, `<path d="M62 %dH566" stroke="#eceff3"/><text x="56" y="%d" text-anchor="end" fill="#5f6b7a" font-size="11">%s</text>`, y, y+4, amount(most*float64(i)/2, p.FieldConfig.Defaults.Unit))
	}
	for i := range 4 {
		fmt.Fprintf(to, `<text x="%d" y="166" text-anchor="middle" fill="#5f6b7a" font-size="11">%d min</text>`, 62+i*168, i*5)
	}
	x, y := 14.0, 182
	for i, l := range lines {
		var path strings.Builder
		for n := range l.at {
			fmt.Fprintf(&path, "%s%.1f %.1f", cmp.Or(map[bool]string{true: "M"}[n == 0], "L"), 62+504*l.at[n], 150-110*l.values[n]/most)
		}
		color := colors[i%len(colors)]
		fmt.Fprintf(to, `<path d="%s" fill="none" stroke="%s" stroke-width="1.6" stroke-linejoin="round"/>`, path.String(), color)
		wide := 24 + 5.8*float64(len(l.legend))
		if x+wide > 580 && y == 182 {
			x, y = 14, 196
		}
		if x+wide < 580 {
			fmt.Fprintf(to, `<path d="M%.0f %dh10" stroke="%s" stroke-width="3"/><text x="%.0f" y="%d" fill="#1c2733" font-size="11">%s</text>`, x, y-4, color, x+14, y, html.EscapeString(l.legend))
			x += wide
		}
	}
	to.WriteString("</g>\n")
}

// amount is a number in a panel's unit.
func amount(n float64, unit string) string {
	switch {
	case unit == "percentunit":
		return strconv.FormatFloat(100*n, 'f', 0, 64) + " %"
	case unit == "s" && n > 0 && n < 1:
		return strconv.FormatFloat(1000*n, 'f', 0, 64) + " ms"
	case unit == "s":
		return strconv.FormatFloat(n, 'g', 3, 64) + " s"
	case unit == "bytes" && n >= 1024:
		return strconv.FormatFloat(n/1024, 'f', 0, 64) + " KiB"
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}
