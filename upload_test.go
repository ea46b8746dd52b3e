package gate

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// TestUploadsLeaveNoTemporaryFiles: net/http removes them only from the request that it
// made itself, not from the copy that the handler gets.
func TestUploadsLeaveNoTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	g := gateOf(t, &stub{set: features(metered("f", 0, 5))})
	guard := g.MustGuard(Feature("f").Uses(1))
	spilled := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard.Serve(Call{Request: r, Writer: w},
			func(d Decision) { g.WriteDenial(w, r, d) },
			func(_ http.ResponseWriter, r *http.Request) bool {
				if err := r.ParseMultipartForm(1); err != nil {
					t.Error(err)
				}
				files, err := os.ReadDir(dir)
				spilled = err == nil && len(files) > 0
				return true
			}, nil)
	}))
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("upload", "big")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(make([]byte, 11<<20))
	_ = form.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("X-Customer-ID", "c")
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	server.Close()
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 || !spilled {
		t.Errorf("spilled %v, %d files left, %v", spilled, len(files), err)
	}
}
