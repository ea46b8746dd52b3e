package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/outbox"
)

func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	o, err := outbox.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused := gate.Usage{
		Customer: gate.Customer{ID: "customer-4711", Resource: "site-9"}, FeatureID: "feature-1", Value: 2, Key: "refused", CreatedAt: time.Now(),
	}
	waits := refused
	waits.Key = "waits"
	if err := o.Append(t.Context(), waits, refused); err != nil {
		t.Fatal(err)
	}
	if err := o.SetAside(refused, "customer-4711 is archived"); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCommand(t *testing.T) {
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "outbox.db"), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		args   []string
		code   int
		want   []string // in what is printed
		hidden []string // not in it
	}{
		{"a table", []string{filled(t)}, 0, []string{"1 pending", "1 set aside", `"feature-1"`, "refused", "is archived"}, []string{"customer-4711", "site-9"}},
		{"a table with customers", []string{"-customers", filled(t)}, 0, []string{"customer-4711", "site-9"}, nil},
		{"JSON", []string{"-json", filled(t)}, 0, []string{`"pending": 1`, `"key": "refused"`}, []string{"customer-4711", "site-9"}},
		{"JSON with customers", []string{"-json", "-customers", filled(t)}, 0, []string{"customer-4711", "site-9"}, nil},
		{"retry one", []string{"-retry", "refused", filled(t)}, 0, []string{"1 measurements are pending again"}, nil},
		{"retry one by its id", []string{"-retry", "#1", filled(t)}, 0, []string{"1 measurements are pending again"}, nil},
		{"retry one that is not there", []string{"-retry", "other", filled(t)}, 0, []string{"0 measurements"}, nil},
		{"backup", []string{"-backup", filepath.Join(t.TempDir(), "copy"), filled(t)}, 0, []string{"holds a copy"}, nil},
		{"backup over a file", []string{"-backup", filepath.Join(damaged, "outbox.db"), filled(t)}, 1, []string{"exists"}, nil},
		{"backup of a damaged file", []string{"-backup", filepath.Join(t.TempDir(), "copy"), damaged}, 1, []string{"not an outbox"}, nil},
		{"drop all", []string{"-drop", "all", filled(t)}, 0, []string{"1 measurements were deleted"}, nil},
		{"help", []string{"-help"}, 0, []string{"usage: gate-outbox", "-customers"}, nil},
		{"no directory", nil, 2, []string{"name one directory"}, nil},
		{"both", []string{"-retry", "a", "-drop", "a", "dir"}, 2, []string{"not both"}, nil},
		{"an unknown flag", []string{"-x", "dir"}, 2, []string{"-x"}, nil},
		{"a directory that is not there", []string{filepath.Join(t.TempDir(), "none")}, 1, []string{"no such file"}, nil},
		{"a damaged file", []string{damaged}, 1, []string{"not an outbox"}, nil},
	} {
		var out bytes.Buffer
		if code := run(tt.args, &out, &out); code != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.name, code, tt.code)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in\n%s", tt.name, want, &out)
			}
		}
		for _, hidden := range tt.hidden {
			if strings.Contains(out.String(), hidden) {
				t.Errorf("%s: %q is in\n%s", tt.name, hidden, &out)
			}
		}
	}
}

func TestJSONDecodes(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"-json", filled(t)}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var r outbox.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Pending != 1 || len(r.SetAside) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
