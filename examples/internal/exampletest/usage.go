package exampletest

import (
	"testing"

	"github.com/stiggate/gate/emulator"
)

// Emulate starts an emulated Stigg that has this catalog, and ends with the test.
func Emulate(t *testing.T, catalog string) *emulator.Server {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0", emulator.WithCatalogFile(catalog))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	return stigg
}

// Used fails the test unless the measurements that Stigg has of a customer and a feature add up to want.
func Used(t *testing.T, stigg *emulator.Server, customer, feature string, want float64) {
	t.Helper()
	got := 0.0
	for _, u := range stigg.Usage() {
		if u.CustomerID == customer && u.FeatureID == feature {
			got += u.Value
		}
	}
	if got != want {
		t.Errorf("Stigg has %v of %s for %s, want %v", got, feature, customer, want)
	}
}
