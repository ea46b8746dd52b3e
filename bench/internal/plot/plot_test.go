package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPlotsAreXML(t *testing.T) {
	for name, svg := range map[string]string{
		"lines": Lines{"a < b & c", "customers", "ns", []Line{{"Gate & co.", []float64{1, 10, 100}, []float64{3, 40, 500}, 0, false}, {"<floor>", []float64{1, 10, 100}, []float64{3, 4, 5}, 1, true}}}.SVG(),
		"bars":  Bars{"a < b", "x", []Bar{{"Gate", 2, 1.5, 3, true}, {"peer & peer", 200, 100, 300, false}}, "x"}.SVG(),
		"one":   Bars{"one value", "x", []Bar{{"Gate", 10, 10, 10, true}}, "x"}.SVG(),
	} {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, svg)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: a place is none:\n%s", name, svg)
		}
	}
}

// TestNamesStandApart: lines that end in one place are still told apart.
func TestNamesStandApart(t *testing.T) {
	x := []float64{1, 1000}
	svg := Lines{"t", "x", "y", []Line{{"A", x, []float64{10, 20}, 0, false}, {"B", x, []float64{10, 20}, 1, false}, {"C", x, []float64{10, 10}, 2, false}}}.SVG()
	seen := map[string]string{}
	for line := range strings.Lines(svg) {
		if i := strings.Index(line, ` name">`); i > 0 {
			y := line[strings.Index(line, ` y="`)+4:]
			y = y[:strings.IndexByte(y, '"')]
			if other := seen[y]; other != "" {
				t.Errorf("%s and %s", other, line)
			}
			seen[y] = line
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d names, want 3", len(seen))
	}
}
