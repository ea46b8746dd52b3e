package ledger

import "testing"

func TestFits(t *testing.T) {
	for name, tt := range map[string]struct {
		sum, limit float64
		fits       bool
	}{
		"as much as the limit":              {3, 3, true},
		"one more":                          {4, 3, false},
		"a tenth and two are three tenths":  {0.1 + 0.2, 0.3, true},
		"a little more than three tenths":   {0.3001, 0.3, false},
		"one more of ten thousand billions": {1e13 + 1, 1e13, false},
	} {
		if Fits(tt.sum, tt.limit) != tt.fits {
			t.Errorf("%s: %v of %v fits: %v, want %v", name, tt.sum, tt.limit, !tt.fits, tt.fits)
		}
	}
}
