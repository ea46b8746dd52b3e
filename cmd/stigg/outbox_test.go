package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
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

func TestOutbox(t *testing.T) {
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "outbox.db"), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	begun := t.TempDir() // its process was killed before anything was written
	if err := os.WriteFile(filepath.Join(begun, "outbox.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	if o, err := outbox.Open(empty); err != nil || o.Close() != nil {
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
		{"retry one", []string{"-retry", "refused", filled(t)}, 0, []string{"1 measurement is pending again"}, nil},
		{"retry one by its id", []string{"-retry", "#1", filled(t)}, 0, []string{"1 measurement is pending again"}, nil},
		{"retry one that is not there", []string{"-retry", "other", filled(t)}, 1, []string{`"other"`, "nothing that was set aside"}, nil},
		{"backup", []string{"-backup", filepath.Join(t.TempDir(), "copy"), filled(t)}, 0, []string{"holds a copy"}, nil},
		{"backup over a file", []string{"-backup", filepath.Join(damaged, "outbox.db"), filled(t)}, 1, []string{"exists"}, nil},
		{"backup of a damaged file", []string{"-backup", filepath.Join(t.TempDir(), "copy"), damaged}, 1, []string{"not an outbox"}, nil},
		{"retry in JSON", []string{"-json", "-retry", "all", filled(t)}, 0, []string{`{"measurements":1}`}, nil},
		{"backup in JSON", []string{"-json", "-backup", filepath.Join(t.TempDir(), "copy"), filled(t)}, 0, []string{`{"backup":`}, nil},
		{"drop one", []string{"-drop", "refused", filled(t)}, 0, []string{"1 measurement is deleted"}, nil},
		{"drop one that is not there", []string{"-drop", "other", filled(t)}, 1, []string{`"other"`, "nothing that was set aside"}, nil},
		{"drop all", []string{"-drop", "all", filled(t)}, 2, []string{"-backup FILE"}, nil},
		{"drop all and keep a copy", []string{"-drop", "all", "-backup", filepath.Join(t.TempDir(), "copy"), filled(t)}, 0, []string{"holds a copy", "1 measurement is deleted"}, nil},
		{"drop nothing where no copy can be", []string{"-drop", "refused", "-backup", filepath.Join(damaged, "outbox.db"), filled(t)}, 1, []string{"exists"}, []string{"deleted"}},
		{"flags behind the directory", []string{filled(t), "-json"}, 2, []string{"flags stand before the directory"}, nil},
		{"JSON of what has nothing", []string{"-json", empty}, 0, []string{`"setAside": []`}, []string{"null"}},
		{"a file that has nothing yet", []string{begun}, 0, []string{"0 pending"}, nil},
		{"no directory", nil, 2, []string{"name one directory"}, nil},
		{"both", []string{"-retry", "a", "-drop", "a", "dir"}, 2, []string{"not both"}, nil},
		{"an unknown flag", []string{"-x", "dir"}, 2, []string{"-x"}, nil},
		{"a directory that is not there", []string{filepath.Join(t.TempDir(), "none")}, 1, []string{"no such file"}, nil},
		{"a damaged file", []string{damaged}, 1, []string{"not an outbox", damaged + ": 0 pending"}, nil},
	} {
		got := stigg(t, nil, append([]string{"outbox"}, tt.args...)...)
		if got.code != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.name, got.code, tt.code)
		}
		for _, want := range tt.want {
			if !strings.Contains(got.out+got.err, want) {
				t.Errorf("%s: %q is not in\n%+v", tt.name, want, got)
			}
		}
		for _, hidden := range tt.hidden {
			if strings.Contains(got.out+got.err, hidden) {
				t.Errorf("%s: %q is in\n%+v", tt.name, hidden, got)
			}
		}
	}
}

func TestTheJSONOfOutboxDecodes(t *testing.T) {
	got := stigg(t, nil, "outbox", "-json", filled(t))
	if got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	var r outbox.Report
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || r.Pending != 1 || len(r.SetAside) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestABackupEndsWithASignal(t *testing.T) {
	dir, copied := filled(t), filepath.Join(t.TempDir(), "copy")
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as a signal does
	var out, errs bytes.Buffer
	code := run(ctx, terminal{&printer{w: &out}, &printer{w: &errs}, os.Getenv}, []string{"outbox", "-drop", "all", "-backup", copied, dir})
	if _, err := os.Stat(copied); code != exitNo || !errors.Is(err, fs.ErrNotExist) || out.Len() > 0 || !strings.Contains(errs.String(), "canceled") {
		t.Errorf("%d: %q, %q; the copy: %v", code, &out, &errs, err)
	}
	if r, err := outbox.Inspect(dir); err != nil || len(r.SetAside) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
