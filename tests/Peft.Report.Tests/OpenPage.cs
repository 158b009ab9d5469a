using PuppeteerSharp;

namespace Peft.Report.Tests;

/// <summary>A page in a browser, with what it asked for and complained about.</summary>
public sealed class OpenPage : IAsyncDisposable
{
    // The colour that a CSS colour has over others, as the browser itself paints it; and the contrast of two, by WCAG 2.
    private const string Colours = """
        const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const paint = colours => {
          canvas.clearRect(0, 0, 1, 1);
          for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
          return canvas.getImageData(0, 0, 1, 1).data;
        };
        const light = rgb => [0, 1, 2].map(i => rgb[i] / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = element => { const all = []; for (let e = element; e; e = e.parentElement) all.unshift(getComputedStyle(e).backgroundColor); return ['white', ...all]; };
        const contrast = (element, colour) => {
          const ground = behind(element), a = light(paint(ground)), b = light(paint([...ground, colour]));
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        };
        """;

    private readonly IPage page;
    private readonly List<string> requests = [], complaints = [];

    internal OpenPage(IPage page)
    {
        this.page = page;
        page.Request += (_, e) => requests.Add(e.Request.Url);
        page.Console += (_, e) => complaints.Add($"{e.Message.Type}: {e.Message.Text}");
        page.PageError += (_, e) => complaints.Add(e.Message);
        page.RequestFailed += (_, e) => complaints.Add($"failed: {e.Request.Url}");
    }

    /// <summary>What the page asked for, itself first.</summary>
    public IReadOnlyList<string> Requests => requests;

    /// <summary>Messages in the console, and errors.</summary>
    public IReadOnlyList<string> Complaints => complaints;

    /// <summary>Elements that reach beyond the window on the right, unless they scroll inside of another.</summary>
    public Task<string[]> BeyondAsync() => page.EvaluateExpressionAsync<string[]>("""
        [...document.querySelectorAll('body, body *:not(svg *)')]
          .filter(e => !e.closest('.scroll *') && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
          .map(e => `${e.tagName} ${e.className} ends at ${e.getBoundingClientRect().right}`)
          .concat(document.documentElement.scrollWidth > window.innerWidth ? [`the page has ${document.documentElement.scrollWidth} pixels`] : [])
        """);

    /// <summary>Texts of a chart that lie over each other or outside of it.</summary>
    public Task<string[]> CollisionsAsync() => page.EvaluateExpressionAsync<string[]>("""
        [...document.querySelectorAll('svg')].flatMap(svg => {
          const frame = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);
          const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
          return texts.flatMap(([name, box], i) => [
            ...(box.left < frame.left - 1 || box.right > frame.right + 1 ? [`${name} is cut`] : []),
            ...texts.slice(i + 1).filter(([, other]) => !apart(box, other)).map(([other]) => `${name} lies over ${other}`)]);
        })
        """);

    /// <summary>The contrast of each piece of text with what is behind it.</summary>
    public Task<Contrast[]> TextContrastsAsync() => page.EvaluateFunctionAsync<Contrast[]>($$"""
        () => {
          {{Colours}}
          document.querySelectorAll('details').forEach(e => e.open = true);
          return [...document.querySelectorAll('body *')]
            .filter(e => [...e.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()) && e.getClientRects().length)
            .map(e => ({ what: `${e.tagName} ${e.textContent.trim().slice(0, 40)}`, ratio: contrast(e, e.closest('svg') ? getComputedStyle(e).fill : getComputedStyle(e).color) }));
        }
        """);

    /// <summary>The contrast of the curves and bars of the charts with what is behind them, without the faint curves behind means.</summary>
    public Task<Contrast[]> CurveContrastsAsync() => page.EvaluateFunctionAsync<Contrast[]>($$"""
        () => {
          {{Colours}}
          return [...document.querySelectorAll('svg path:not(.raw), svg circle, svg rect')]
            .map(e => ({ what: `${e.tagName} ${e.getAttribute('class')}`, ratio: contrast(e, e.tagName === 'path' ? getComputedStyle(e).stroke : getComputedStyle(e).fill) }));
        }
        """);

    /// <summary>The colour behind everything.</summary>
    public Task<string> BackgroundAsync() => page.EvaluateExpressionAsync<string>("getComputedStyle(document.body).backgroundColor");

    public async ValueTask DisposeAsync() => await page.DisposeAsync();

    public sealed record Contrast(string What, double Ratio);
}
