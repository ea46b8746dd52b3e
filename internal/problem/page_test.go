package problem

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// TestThePageCanBeRead holds WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for what else must be
// seen, in light and dark.
func TestThePageCanBeRead(t *testing.T) {
	themes := regexp.MustCompile(`:root \{[^}]*\}`).FindAllString(html, -1)
	if len(themes) != 2 {
		t.Fatalf("%d themes, want light and dark", len(themes))
	}
	for i, theme := range themes {
		color := map[string]float64{}
		for _, v := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]+);`).FindAllStringSubmatch(theme, -1) {
			color[v[1]] = luminance(t, v[2])
		}
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"text", "card", 4.5}, {"quiet", "card", 4.5}, {"on-button", "button", 4.5},
			{"bar", "track", 3}, {"button", "card", 3},
		} {
			front, back := color[pair.front]+0.05, color[pair.back]+0.05
			if ratio := max(front, back) / min(front, back); ratio < pair.least {
				t.Errorf("theme %d: %s on %s is %.2f to 1, want %v", i, pair.front, pair.back, ratio, pair.least)
			}
		}
	}
}

// luminance is WCAG's relative luminance of a color in hexadecimal.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
