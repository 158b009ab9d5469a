// Draws what a terminal shows after a recorded session as an SVG: dotnet run eng/terminal-svg.cs -- SESSION COMMAND PICTURE
// SESSION is what util-linux's `script` has recorded. record-terminal.sh does both.
using System.Globalization;
using System.Text;

const double CellWidth = 8.4, LineHeight = 19, Margin = 16, Top = 44;

var session = File.ReadAllText(args[0]);
var (command, picture) = (args[1], args[2]);
// The first and the last line are script's own.
session = session[(session.IndexOf('\n') + 1)..];
if (session.LastIndexOf("\nScript done", StringComparison.Ordinal) is > 0 and var end) session = session[..end];

var lines = new List<List<(char Letter, string Style)>>();
var (row, column, style) = (0, 0, "");
for (var i = 0; i < session.Length; i++)
{
    var letter = session[i];
    if (letter == '\r') column = 0;
    else if (letter == '\n') row++;
    else if (letter == '\u001b' && i + 1 < session.Length && session[i + 1] == '[')
    {
        var start = i + 2;
        for (i = start; i < session.Length && !char.IsAsciiLetter(session[i]); i++) { }
        Control(session[start..i], session[i]);
    }
    else if (letter == '\u001b') i++;   // a mode of the keypad
    else if (!char.IsControl(letter))
    {
        var line = Line();
        while (line.Count <= column) line.Add((' ', ""));
        line[column++] = (letter, style);
    }
}
while (lines.Count > 0 && lines[^1].TrueForAll(cell => cell.Letter == ' ')) lines.RemoveAt(lines.Count - 1);

var columns = Math.Max(command.Length + 2, lines.Select(line => line.FindLastIndex(cell => cell.Letter != ' ') + 1).DefaultIfEmpty().Max());
var (width, height) = (columns * CellWidth + 2 * Margin, (lines.Count + 1) * LineHeight + Top + Margin);
var svg = new StringBuilder();
svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:0.#} {height:0.#}\" width=\"{width:0.#}\" height=\"{height:0.#}\" role=\"img\" aria-label=\"{Escaped(command)}\">\n");
svg.Append("<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d8dee9;white-space:pre}.d{fill:#8b95a7}.g{fill:#7ec699}.b{fill:#7aa2f7}.r{fill:#f7768e}.y{fill:#e0af68}.m{fill:#bb9af7}.c{fill:#7dcfff}</style>\n");
svg.Append("<rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"#1a1e27\"/><circle cx=\"20\" cy=\"18\" r=\"6\" fill=\"#ff5f57\"/><circle cx=\"40\" cy=\"18\" r=\"6\" fill=\"#febc2e\"/><circle cx=\"60\" cy=\"18\" r=\"6\" fill=\"#28c840\"/>\n");
Text(0, 0, "$ ", "g");
Text(0, 2, command, "");
for (var i = 0; i < lines.Count; i++)
    for (var from = 0; from < lines[i].Count;)
    {
        var to = from;
        while (to < lines[i].Count && lines[i][to].Style == lines[i][from].Style) to++;
        var text = string.Concat(lines[i][from..to].Select(cell => cell.Letter));
        if (text.Trim().Length > 0) Text(i + 1, from + text.Length - text.TrimStart().Length, text.Trim(), lines[i][from].Style);
        from = to;
    }
svg.Append("</svg>\n");
File.WriteAllText(picture, svg.ToString());

List<(char Letter, string Style)> Line()
{
    while (lines.Count <= row) lines.Add([]);
    return lines[row];
}

void Control(string parameters, char kind)
{
    var number = int.TryParse(parameters, NumberStyles.None, CultureInfo.InvariantCulture, out var given) ? given : 1;
    switch (kind)
    {
        case 'A':
            row = Math.Max(0, row - number);
            break;
        case 'B':
            row += number;
            break;
        case 'C':
            column += number;
            break;
        case 'D':
            column = Math.Max(0, column - number);
            break;
        case 'G':
            column = number - 1;
            break;
        case 'K' when parameters is "2" or "":
            if (parameters == "2") Line().Clear();
            else if (Line().Count > column) Line().RemoveRange(column, Line().Count - column);
            break;
        case 'J':
            if (lines.Count > row) lines.RemoveRange(row, lines.Count - row);
            break;
        case 'm':
            style = Style(parameters);
            break;
    }
}

// The colours of a terminal, as classes.
static string Style(string parameters) => parameters switch
{
    "2" or "38;5;8" or "90" or "38;5;7" => "d",
    "32" or "92" or "38;5;2" or "38;5;10" => "g",
    "34" or "94" or "38;5;4" or "38;5;12" => "b",
    "31" or "91" or "38;5;1" or "38;5;9" => "r",
    "33" or "93" or "38;5;3" or "38;5;11" => "y",
    "35" or "95" or "38;5;5" or "38;5;13" => "m",
    "36" or "96" or "38;5;6" or "38;5;14" => "c",
    _ => "",
};

// textLength keeps columns straight whatever font the reader has.
void Text(int line, int at, string text, string kind)
    => svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Margin + at * CellWidth:0.#}\" y=\"{Top + line * LineHeight:0.#}\" textLength=\"{text.Length * CellWidth:0.#}\" lengthAdjust=\"spacingAndGlyphs\"{(kind.Length > 0 ? $" class=\"{kind}\"" : "")}>{Escaped(text)}</text>\n");

static string Escaped(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&quot;", StringComparison.Ordinal);
