package gate

import "testing"

func TestKindsOfFeatures(t *testing.T) {
	for _, test := range []struct {
		feature, meter string
		want           FeatureKind
	}{
		{"BOOLEAN", "None", Boolean},
		{"boolean", "", Boolean},
		{"ENUM", "None", Enum},
		{"NUMBER", "None", Configuration},
		{"NUMBER", "NONE", Configuration},
		{"NUMBER", "", Configuration},
		{"NUMBER", "Incremental", Metered},
		{"NUMBER", "INCREMENTAL", Metered},
		{"NUMBER", "Fluctuating", Metered},
		{"NUMBER", "FLUCTUATING", Metered},
		{"NUMBER", "Quantum", KindUnknown},
		{"VECTOR", "Incremental", KindUnknown},
		{"", "", KindUnknown},
	} {
		if got := ParseFeatureKind(test.feature, test.meter); got != test.want {
			t.Errorf("%s with %q is kind %d, want %d", test.feature, test.meter, got, test.want)
		}
	}
}
