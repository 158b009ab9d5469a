using System.Text;

namespace Peft.Tokenizers;

/// <summary>Computes Unicode normalization forms (Unicode Standard Annex 15), as edits that keep the alignment.</summary>
internal static class UnicodeNormalization
{
    // Hangul syllables are computed from leading consonant, vowel and trailing consonant.
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int Leads = 19, Vowels = 21, Trails = 28;
    private const int Syllables = Leads * Vowels * Trails;

    /// <summary>Decomposes (NFD, NFKD) and optionally composes again (NFC, NFKC).</summary>
    public static List<CharEdit> Normalize(string text, bool compatibility, bool compose)
    {
        var decomposed = Decompose(text, compatibility);
        return compose ? Compose(decomposed) : decomposed;
    }

    private static List<CharEdit> Decompose(string text, bool compatibility)
    {
        var data = UnicodeData.Instance;
        var result = new List<CharEdit>(text.Length);
        var marks = new List<(int Order, CharEdit Edit)>();
        foreach (var rune in text.EnumerateRunes())
        {
            var parts = rune.IsAscii ? null : Syllable(rune) ?? data.Decomposition(rune, compatibility);
            if (parts is null)
            {
                Add(new(rune, 0));
                continue;
            }
            for (var i = 0; i < parts.Length; i++)
                Add(new(parts[i], i == 0 ? 0 : 1));
        }
        Flush();
        return result;

        void Add(CharEdit edit)
        {
            var order = edit.Char.IsAscii ? 0 : data.Order(edit.Char);
            if (order == 0)
            {
                Flush();
                result.Add(edit);
            }
            else
            {
                marks.Add((order, edit));
            }
        }

        void Flush()
        {
            // OrderBy is stable, as canonical ordering must be.
            result.AddRange(marks.OrderBy(mark => mark.Order).Select(mark => mark.Edit));
            marks.Clear();
        }
    }

    private static List<CharEdit> Compose(List<CharEdit> decomposed)
    {
        var data = UnicodeData.Instance;
        var result = new List<CharEdit>(decomposed.Count);
        var starter = -1;
        var lastOrder = 0;
        foreach (var edit in decomposed)
        {
            var order = edit.Char.IsAscii ? 0 : data.Order(edit.Char);
            // A mark is blocked by a mark of the same or a higher class between it and the starter. A starter composes only with a directly preceding starter.
            var reaches = starter >= 0 && (starter == result.Count - 1 || (order > 0 && lastOrder < order));
            if (reaches && TryCompose(data, result[starter].Char, edit.Char, out var composite))
            {
                result[starter] = new(composite, result[starter].Change + edit.Change - 1);
                continue;
            }
            if (order == 0)
                starter = result.Count;
            lastOrder = order;
            result.Add(edit);
        }
        return result;
    }

    private static bool TryCompose(UnicodeData data, Rune first, Rune second, out Rune result)
    {
        var lead = first.Value - LeadBase;
        var vowel = second.Value - VowelBase;
        if (lead is >= 0 and < Leads && vowel is >= 0 and < Vowels)
        {
            result = new(SyllableBase + (lead * Vowels + vowel) * Trails);
            return true;
        }
        var syllable = first.Value - SyllableBase;
        var trail = second.Value - TrailBase;
        if (syllable is >= 0 and < Syllables && syllable % Trails == 0 && trail is > 0 and < Trails)
        {
            result = new(first.Value + trail);
            return true;
        }
        return data.TryCompose(first, second, out result);
    }

    private static Rune[]? Syllable(Rune rune)
    {
        var index = rune.Value - SyllableBase;
        if (index is < 0 or >= Syllables)
            return null;
        Rune lead = new(LeadBase + index / (Vowels * Trails));
        Rune vowel = new(VowelBase + index % (Vowels * Trails) / Trails);
        return index % Trails == 0 ? [lead, vowel] : [lead, vowel, new(TrailBase + index % Trails)];
    }
}
