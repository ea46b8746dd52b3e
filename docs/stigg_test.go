package docs

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// stigg runs the command and gives what it prints.
func stigg(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "../cmd/stigg"}, args...)...)
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		t.Fatalf("stigg %q: %v\n%s", args, err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestThePageOfTheCommandIsItsHelp holds docs/stigg.md against what the command says of itself:
// the commands, and the flags of each.
func TestThePageOfTheCommandIsItsHelp(t *testing.T) {
	page := pages(t)["docs/stigg.md"]
	var commands []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(string(stigg(t)), -1) {
		if m[1] != "version" && m[1] != "help" {
			commands = append(commands, m[1])
		}
	}
	sections := map[string]string{}
	for _, part := range strings.Split(page, "\n## ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		sections[name] = text
	}
	for _, name := range commands {
		section, ok := sections[name]
		if !ok {
			t.Errorf("docs/stigg.md has no section %q", name)
		}
		has := flagsOf(`(?m)^  (-[a-z-]+)`, string(stigg(t, "help", name)))
		named := flagsOf("`(-[a-z-]+)[ `]", strings.Join(regexp.MustCompile(`(?m)^\| .*`).FindAllString(section, -1), "\n"))
		if !slices.Equal(has, named) {
			t.Errorf("stigg %s has the flags %q, and docs/stigg.md has %q", name, has, named)
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S+ )*stigg `+name+` (.*)$`).FindAllStringSubmatch(section, -1) {
			for _, flag := range flagsOf(`(?:^| )(-[a-z-]+)`, m[1]) {
				if !slices.Contains(has, flag) {
					t.Errorf("docs/stigg.md: stigg %s has no %s", name, flag)
				}
			}
		}
	}
	if len(commands) == 0 {
		t.Fatal("the command lists none")
	}
}

func flagsOf(pattern, text string) []string {
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all[m[1]] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// TestPagesNameCommandsThatThereAre: everywhere that a page calls the command.
func TestPagesNameCommandsThatThereAre(t *testing.T) {
	list := string(stigg(t))
	for path, page := range pages(t) {
		for _, m := range regexp.MustCompile(`(?m)(?:cmd/stigg|^stigg|`+"`stigg"+`) ([a-z]+)\b`).FindAllStringSubmatch(code(page), -1) {
			if !strings.Contains(list, "\n  "+m[1]+" ") {
				t.Errorf("%s: there is no command stigg %s", path, m[1])
			}
		}
	}
}

// TestTheREADMEsCommandsDoAllTheSetUp: in a new module of a newcomer's, go mod tidy brings all
// that its program and the command need.
func TestTheREADMEsCommandsDoAllTheSetUp(t *testing.T) {
	readme := pages(t)["README.md"]
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(goBlocks(readme)[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	const tidy, emulate = "go mod tidy", "go run " + module + "/cmd/stigg"
	if !strings.Contains(readme, "\n"+tidy+"\n"+emulate+" emulate &\n") {
		t.Fatal("the README has other commands")
	}
	for _, line := range []string{
		"go mod init example.com/app", "go mod edit -require=" + module + "@v0.0.0 -replace=" + module + "=" + root,
		tidy, emulate + " version", "go build -o /dev/null .",
	} {
		args := strings.Fields(line)
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}
