namespace Preferences;

/// <summary>A way of learning from preferences.</summary>
internal enum Method { Dpo, Kto, Orpo }
