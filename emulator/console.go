package emulator

import (
	"embed"
	"net/http"
)

//go:embed console
var consoleFiles embed.FS

// serveConsole serves the page that a developer watches the emulator on. It reads and
// changes what the operator's window does, and nothing else.
func (e *Emulator) serveConsole(w http.ResponseWriter, r *http.Request) {
	file := map[string]string{
		"/": "console/index.html", "/console/console.css": "console/console.css", "/console/console.js": "console/console.js",
	}[r.URL.Path]
	if file == "" {
		e.write(w, e.failed(http.StatusNotFound, codeBadRequest, "nothing is served at this path"))
		return
	}
	e.ownFormsOnly(only(http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
		showFile(w, r, file)
	})).ServeHTTP(w, r)
}

func showFile(w http.ResponseWriter, r *http.Request, file string) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, consoleFiles, file)
}
