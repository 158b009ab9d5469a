using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Peft.Gguf;

namespace Peft.Tokenizers.Gguf;

/// <summary>Reads a SentencePiece model from the metadata of a GGUF file: converts it to the file format of SentencePiece (<c>ModelProto</c>), and reads that.</summary>
internal static class GgufSentencePiece
{
    // In the order of the fields of ModelProto.
    private static readonly string[] SpecialTokens = ["unknown", "bos", "eos", "padding"];

    public static TokenizerFiles Read(GgufHeader file, string[] tokens, long[] types, ResourceLimits limits)
    {
        var scores = file.Numbers("tokenizer.ggml.scores") ?? throw file.Damaged("its tokenizer has no scores");
        if (scores.Length != tokens.Length) throw file.Damaged($"its tokenizer has {tokens.Length} tokens, but {scores.Length} scores");
        var ids = SpecialTokens.Select((role, index) => file.Whole($"tokenizer.ggml.{role}_token_id") ?? (index == 0 ? 0 : -1)).ToArray();
        var proto = Proto(file, tokens, types, scores, ids);
        var roles = GgufTokenizer.Roles(file, tokens);
        var config = GgufTokenizer.Config(file, roles, "LlamaTokenizer");
        // llama.cpp prepends a space to the text, and to what follows a special token.
        config["legacy"] = true;
        config["add_bos_token"] = file.Flag("tokenizer.ggml.add_bos_token") ?? true;
        config["add_eos_token"] = file.Flag("tokenizer.ggml.add_eos_token") ?? false;
        var contents = new Dictionary<string, byte[]> { [SentencePieceFiles.Names[0]] = proto, [TokenizerWriter.Config] = JsonSerializer.SerializeToUtf8Bytes(config) };
        return SentencePieceFiles.From(proto, file.Path, limits, config) with { Contents = contents };
    }

    private static byte[] Proto(GgufHeader file, string[] tokens, long[] types, double[] scores, long[] ids)
    {
        var model = new MemoryStream();
        Span<byte> score = stackalloc byte[5];
        score[0] = 2 << 3 | 5;
        for (var id = 0; id < tokens.Length; id++)
        {
            var piece = new MemoryStream();
            Bytes(piece, 1, Encoding.UTF8.GetBytes(tokens[id]));
            BinaryPrimitives.WriteSingleLittleEndian(score[1..], (float)scores[id]);
            piece.Write(score);
            // Files identify the unknown token by its id, and often not by its type.
            Number(piece, 3, id == ids[0] ? 2 : types[id]);
            Bytes(model, 1, piece.ToArray());
        }
        var trainer = new MemoryStream();
        Number(trainer, 3, 2);   // byte-pair encoding by scores
        Number(trainer, 35, types.Contains(6) ? 1 : 0);
        for (var role = 0; role < ids.Length; role++)
        {
            Number(trainer, 40 + role, ids[role]);
            if (ids[role] >= 0 && ids[role] < tokens.Length) Bytes(trainer, 45 + role, Encoding.UTF8.GetBytes(tokens[ids[role]]));
        }
        Bytes(model, 2, trainer.ToArray());
        var normalizer = new MemoryStream();
        Number(normalizer, 3, file.Flag("tokenizer.ggml.add_space_prefix") == false ? 0 : 1);
        Number(normalizer, 4, file.Flag("tokenizer.ggml.remove_extra_whitespaces") == true ? 1 : 0);
        Bytes(model, 3, normalizer.ToArray());
        return model.ToArray();
    }

    private static void Number(MemoryStream stream, int field, long value)
    {
        Varint(stream, (ulong)field << 3);
        Varint(stream, (ulong)value);
    }

    private static void Bytes(MemoryStream stream, int field, byte[] value)
    {
        Varint(stream, (ulong)field << 3 | 2);
        Varint(stream, (ulong)value.Length);
        stream.Write(value);
    }

    private static void Varint(MemoryStream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7) stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }
}
