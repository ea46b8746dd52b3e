package problem

import (
	"math"
	"strings"
	"testing"
)

func TestAmountsAreRoundedForPeople(t *testing.T) {
	tests := []struct {
		name     string
		n        float64
		up, down string
	}{
		{"a whole number", 3, "3", "3"},
		{"nothing", 0, "0", "0"},
		{"bytes in megabytes", 2.86102294921875, "2.862", "2.861"},
		{"what people write with three decimals", 0.125, "0.125", "0.125"},
		{"what floating point adds", 0.1 + 0.2, "0.3", "0.3"},
		{"a price of one token", 0.0000023456, "0.00000235", "0.00000234"},
		{"more than all integers that are exact", math.Pow(2, 53), "9007199254740992", "9007199254740992"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if up, down := shown(rounded(tt.n, math.Ceil)), shown(rounded(tt.n, math.Floor)); up != tt.up || down != tt.down {
				t.Errorf("%v is %s and %s, want %s and %s", tt.n, up, down, tt.up, tt.down)
			}
		})
	}
}

func TestTheTypeOfAnAppsOwnCodeLeadsToAPageThatHasIt(t *testing.T) {
	denial := &Denial{Reason: "gate:RequestNotUnderstood", Code: "length_required", Status: 411}
	s := NewStyle("https://gate.example/denials.md#", func(v View) any { return v })
	if got := s.Show(nil, denial); got.Type != "https://gate.example/denials.md#request_not_understood" || got.Code != "length_required" {
		t.Errorf("with Gate's page the type is %s of %s", got.Type, got.Code)
	}
	if err := s.SetBase("https://app.example/problems/"); err != nil {
		t.Fatal(err)
	}
	if got := s.Show(nil, denial); !strings.HasSuffix(got.Type, "/problems/length_required") {
		t.Errorf("with the app's page the type is %s", got.Type)
	}
}
